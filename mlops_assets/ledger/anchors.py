"""The ledger's head, signed, and kept outside the database.

A hash chain alone can be recomputed by whoever owns the database, and its tail can be cut. A signed head stops the
first; a copy of it in another place (a file here, every audit packet, wherever the user sends it) stops the second.
"""

import json
import os
import stat
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

from mlops_assets.ledger.canonical import canonical_json
from mlops_assets.ledger.keys import PublicKey, SigningKey, decode, encode
from mlops_assets.ledger.signatures import pae
from mlops_assets.stores.ledger_database import locked_file

LARGEST_FILE = 1024 * 1024
LARGEST_SEAL = 32 * 1024 * 1024
HEAD_TYPE = "application/vnd.mlops-assets.ledger-head+json"


@dataclass(frozen=True)
class Anchor:
    """A statement of the head key: "record `seq` of the ledger has this digest", and with it all before it.

    Attributes:
        seq: number of the record.
        digest: of the record.
        key_id: of the head key.
        signature: base64, over `head_message(seq, digest)`.
    """

    seq: int
    digest: str
    key_id: str
    signature: str

    def signed_by(self, key: PublicKey) -> bool:
        """Whether the signature is `key`'s."""
        if key.key_id != self.key_id:
            return False
        try:
            signature = decode(self.signature)
        except ValueError:
            return False
        return key.verify(signature, head_message(self.seq, self.digest))

    def to_dict(self) -> dict[str, str | int]:
        """For a packet or a file."""
        return asdict(self)


def head_message(seq: int, digest: str) -> bytes:
    """The bytes a head's signature is over, in DSSE's encoding."""
    return pae(HEAD_TYPE, canonical_json({"digest": digest, "seq": seq}).encode())


def sign_head(key: SigningKey, seq: int, digest: str) -> Anchor:
    """Sign record `seq` as the head of the ledger."""
    return Anchor(seq, digest, key.public.key_id, encode(key.sign(head_message(seq, digest))))


def read_anchor(path: Path) -> Anchor | None:
    """The anchor in a file; nothing when the file does not exist.

    Raises:
        ValueError: the file is there and is not an anchor.
    """
    try:
        content = json.loads(_small_file(path))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"anchor file {path} is not JSON: {error}") from None
    try:
        anchor = Anchor(int(content["seq"]), str(content["digest"]), str(content["key_id"]), str(content["signature"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"anchor file {path} holds no anchor: {error!r}") from None
    return _of_a_record(anchor, path)


def _small_file(path: Path) -> str:
    """The text of an anchor file; a pipe or a device would be waited for without end."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_FILE:
        raise ValueError(f"expected a regular file of at most {LARGEST_FILE} bytes")
    return path.read_text()


def _of_a_record(anchor: Anchor, path: Path) -> Anchor:
    # Records are numbered from 1. An anchor of any other number would be compared with nothing, and counted as checked.
    if anchor.seq < 1:
        raise ValueError(f"{path}: found an anchor of record {anchor.seq}, expected one of record 1 or later")
    return anchor


def kept_anchor(path: Path) -> Anchor:
    """The head in an anchor file that was kept elsewhere, or in an audit packet.

    Raises:
        ValueError: the file is neither.
    """
    if not path.is_file() or not zipfile.is_zipfile(path):
        found = read_anchor(path)
        if found is None:
            raise ValueError(f"found no anchor file {path}")
        return found
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("packet.json").file_size > LARGEST_SEAL:
                raise ValueError(f"packet.json unpacks to more than {LARGEST_SEAL} bytes")
            seal = json.loads(archive.read("packet.json"))
        return _of_a_record(Anchor(**json.loads(decode(seal["payload"]))["predicate"]["head"]), path)
    except Exception as error:  # a damaged or hostile ZIP ends in errors of many kinds
        raise ValueError(f"{path} is no audit packet with a head in it: {error!r}") from None


def write_anchor(path: Path, anchor: Anchor) -> None:
    """Put `anchor` into the file unless a later one is there; a reader sees the old or the new one, never a part."""
    # Where the file is a link to one that several machines share, that one is written and not the link.
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked_file(path.with_name(f".{path.name}.lock")):
        present = read_anchor(path)
        if present is not None and present.seq >= anchor.seq:
            return
        descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "w") as file:
            file.write(json.dumps(anchor.to_dict(), indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
