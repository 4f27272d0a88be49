"""Keys that another process holds: the machine's keys asked over a local socket, so that no private half is in this process.

`mlops signer` serves them as another account of the machine (`signing.server`); what it signs is decided there
(`signing.rules`). Where a socket is not configured, keys are files, as `ledger.keys` has them.
"""

import base64
import json
import socket
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from mlops_assets.errors import MlopsAssetsError
from mlops_assets.ledger.anchors import Anchor
from mlops_assets.ledger.keys import KeyRefused, PublicKey, SigningKey

LARGEST = 64 * 1024 * 1024
"""Bytes of a request or an answer."""
SECONDS = 30.0
"""How long an answer may take."""


class SignerUnavailable(MlopsAssetsError, ConnectionError):
    """Nobody answers at the socket, or the connection ended before the answer."""


class SignerRefused(MlopsAssetsError, ValueError):
    """The signer does not sign this; the text says why."""


class RemoteKey(SigningKey):
    """One of the signer's keys: everything that a key in a file can be used for and that the signer's rules allow.

    Args:
        path: of the signer's socket.
        name: of the key: `ledger`, `artifacts` or `automation`.
        public: file with the public half, where it is known; otherwise the signer is asked.
    """

    def __init__(self, path: Path | str, name: str, public: Path | None = None):
        self.path, self.name, self._public_file = Path(path), name, public

    @cached_property
    def public(self) -> PublicKey:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The public half; reading needs no signer where the file is there."""
        if self._public_file is not None and self._public_file.is_file():
            return PublicKey.from_pem(self._public_file.read_text())
        return PublicKey.from_pem(str(self._ask({"do": "public"})["pem"]))

    def sign(self, message: bytes) -> bytes:
        """A signature over a DSSE message that the rules allow for this key.

        Raises:
            SignerRefused: they do not.
            SignerUnavailable: nobody answers.
        """
        answer = self._ask({"do": "sign", "message": base64.b64encode(message).decode()})
        return base64.b64decode(str(answer["signature"]))

    def sign_head(self, rows: Sequence[Mapping[str, Any]]) -> Anchor:
        """The head after these rows, which must follow the last head that the signer has signed.

        Args:
            rows: of the table `ledger_records`, as they are about to be written.
        """
        return Anchor(**self._ask({"do": "head", "rows": [dict(row) for row in rows]})["head"])

    def save(self, path: Path | str, password: bytes | None = None) -> Path:
        """Refused: the private half is the signer's.

        Raises:
            KeyRefused: always.
        """
        raise KeyRefused(f"the private half of {self.name!r} never leaves the signer at {self.path}")

    def __repr__(self) -> str:
        return f"RemoteKey({self.name!r} at {self.path})"

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        answer = ask(self.path, {**request, "key": self.name})
        if "refused" in answer:
            raise SignerRefused(f"the signer at {self.path} does not sign with {self.name!r}: {answer['refused']}")
        return answer


def ask(path: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """One question to the signer and its answer.

    Raises:
        SignerUnavailable: nobody answers, or what came back is no answer.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(SECONDS)
            connection.connect(str(path))
            connection.sendall(json.dumps(request, ensure_ascii=False).encode() + b"\n")
            connection.shutdown(socket.SHUT_WR)
            answer = received(connection, SECONDS)
        found = json.loads(answer)
    except (OSError, ValueError) as error:
        raise SignerUnavailable(
            f"found no answer from the signer at {path} ({error or type(error).__name__}): nothing was signed or written. "
            f"Start it, as the account that holds the keys: mlops signer --socket {path}"
        ) from None
    if not isinstance(found, dict):
        raise SignerUnavailable(f"the signer at {path} answered with {type(found).__name__}, expected an object")
    return found


def received(connection: socket.socket, seconds: float) -> bytes:
    """Everything that the other side sends before it closes its half.

    Raises:
        TimeoutError: it has not closed it after so many seconds.
        ValueError: more than `LARGEST` bytes.
    """
    parts, size, until = [], 0, time.monotonic() + seconds
    while True:
        connection.settimeout(max(until - time.monotonic(), 0.001))
        if not (part := connection.recv(65536)):
            break
        size += len(part)
        if size > LARGEST:
            raise ValueError(f"found more than {LARGEST} bytes")
        parts.append(part)
    return b"".join(parts)
