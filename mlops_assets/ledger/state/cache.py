"""The state on disk, so that a new process pays for new records only.

The file is signed with the ledger's key and carries the number and digest of the last record taken in, and the digest of
the code that folds: whatever differs, the state is computed again. It is never an authority: promotion, `mlops verify` and
audit packets do not read it, and whoever deletes it loses time only.
"""

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mlops_assets.ledger.keys import SigningKey, decode, encode
from mlops_assets.ledger.people import People
from mlops_assets.ledger.signatures import pae
from mlops_assets.ledger.state.fold import Fold, collecting_later
from mlops_assets.ledger.state.model import ModelState, Refused

CACHE_TYPE = "application/vnd.mlops-assets.ledger-state+json"


@dataclass(frozen=True)
class Kept:
    """What the file holds of a fold: its models, what was refused, the statements used, and where it ended."""

    models: dict[str, ModelState]
    refused: list[Refused]
    used: dict[str, dict[str, int]]
    seq: int
    digest: str


@dataclass(frozen=True)
class StateCache:
    """The file.

    Attributes:
        path: of the file.
        key: the ledger's key; signs it, and must have signed it.
    """

    path: Path
    key: SigningKey

    def read(self, people: People, state_of: tuple[str | None, str]) -> Fold | None:
        """The fold in the file; None where there is none that was made by this code, of these people, under this key."""
        try:
            head, content = self.path.read_bytes().split(b"\n", 1)
            claimed = json.loads(head)
            signature = decode(claimed["signature"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        expected = self._header(state_of, content)
        if not self.key.public.verify(signature, pae(CACHE_TYPE, expected)):
            return None
        try:
            with collecting_later():
                kept = _adapter().validate_json(content)
        except ValidationError:
            return None
        fold = Fold(people)
        fold.models, fold.refused, fold.context.used = kept.models, kept.refused, kept.used
        fold.seq, fold.digest = kept.seq, kept.digest
        return fold

    def write(self, fold: Fold, state_of: tuple[str | None, str]) -> None:
        """Keep a fold; a reader sees the old file or the new one, never a part. Where it cannot be written, nothing happens."""
        kept = Kept(fold.models, fold.refused, fold.context.used, fold.seq, fold.digest)
        content = _adapter().dump_json(kept)
        signature = self.key.sign(pae(CACHE_TYPE, self._header(state_of, content)))
        head = json.dumps({"signature": encode(signature)}).encode()
        # A disk that is full or a folder that is gone costs time at the next look, and nothing else.
        with suppress(OSError):
            descriptor, partial = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(head + b"\n" + content)
                os.replace(partial, self.path)
            except OSError:
                Path(partial).unlink(missing_ok=True)

    def _header(self, state_of: tuple[str | None, str], content: bytes) -> bytes:
        """What is signed: which people and root the state is of, which code folded it, and the digest of the content."""
        root, people = state_of
        return json.dumps([root, people, code_digest(), hashlib.sha256(content).hexdigest()]).encode()


@lru_cache
def code_digest() -> str:
    """SHA-256 over the source files that decide what counts."""
    folder = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


@lru_cache
def _adapter() -> TypeAdapter[Any]:
    return TypeAdapter(Kept)
