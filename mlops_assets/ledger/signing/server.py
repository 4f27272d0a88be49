"""The signer: holds the machine's private keys as an account of its own, and answers on a local socket.

Who asks is told by the kernel (SO_PEERCRED), not by the one who asks. What has been signed is kept in a file that is written
before the answer is given, so that a signer which is killed signs no second head by mistake. The rules are `signing.rules`'.
"""

import base64
import json
import os
import pwd
import socket
import struct
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlops_assets.errors import WRONG_CALL, MlopsAssetsError
from mlops_assets.ledger.anchors import read_anchor, sign_head
from mlops_assets.ledger.keys import SigningKey, key_path, load_or_new_key
from mlops_assets.ledger.signing.client import received
from mlops_assets.ledger.signing.rules import (
    LEDGER_NAME,
    NAMES,
    Head,
    Refused,
    Signed,
    check_statement,
    message_of,
    next_head,
    taken_over,
)

STATE = "signed.json"
JOURNAL = "heads.jsonl"
SECONDS = 10.0
"""How long one who may ask may take for it; others wait meanwhile."""
SECONDS_OF_OTHERS = 0.5
"""How long the signer listens to one who may not ask, before it says so."""


class SignerError(MlopsAssetsError, ValueError):
    """The signer cannot start."""

    exit_code = WRONG_CALL


class Signer:
    """The keys in a folder, and what they have signed.

    Args:
        folder: with the keys, `0700`; missing ones are made.
        after: anchor file of a ledger that this signer's key has sealed so far, to take it over.

    Raises:
        SignerError: the folder is open to others, what was signed cannot be read, or the anchor is not of this key.
    """

    def __init__(self, folder: Path, after: Path | None = None):
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o077:
            raise SignerError(f"{folder} is open to other accounts; run: chmod 700 {folder}")
        self.keys: dict[str, SigningKey] = {name: load_or_new_key(name, folder) for name in NAMES}
        self.signed = self._read(after)

    def answer(self, request: Any) -> dict[str, Any]:
        """The answer to one request; `{"refused": why}` where it is not done."""
        try:
            name = str(request.get("key")) if isinstance(request, Mapping) else ""
            if name not in self.keys:
                raise Refused(f"found no request for one of the keys {', '.join(self.keys)}")
            key = self.keys[name]
            match request.get("do"):
                case "public":
                    return {"pem": key.public.pem}
                case "head" if name == LEDGER_NAME and isinstance(request.get("rows"), list):
                    return {"head": self._head(key, request["rows"])}
                case "sign":
                    message = message_of(request)
                    check_statement(name, message, self.signed)
                    return {"signature": base64.b64encode(key.sign(message)).decode()}
                case other:
                    raise Refused(f"found {other!r} for the key {name!r}, expected public, sign, or head with rows")
        except Refused as why:
            return {"refused": str(why)}

    def _head(self, key: SigningKey, rows: list[Any]) -> dict[str, Any]:
        if not all(isinstance(row, Mapping) for row in rows):
            raise Refused("found a row that is no object")
        after = next_head(self.signed, rows)
        anchor = sign_head(key, after.last.seq, after.last.digest)
        self._keep(after, anchor.to_dict())
        return dict(anchor.to_dict())

    def _keep(self, signed: Signed, head: Mapping[str, Any]) -> None:
        """Write down what is signed before anybody has it."""
        with (self.folder / JOURNAL).open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(head) + "\n")
            journal.flush()
            os.fsync(journal.fileno())
        partial = self.folder / f".{STATE}.partial"
        with partial.open("w", encoding="utf-8") as file:
            file.write(json.dumps(asdict(signed)))
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, self.folder / STATE)
        self.signed = signed

    def _read(self, after: Path | None) -> Signed:
        path = self.folder / STATE
        if path.exists():
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
                return Signed(Head(**content["confirmed"]), Head(**content["last"]))
            except (ValueError, KeyError, TypeError) as error:
                raise SignerError(f"{path} cannot be read ({error!r}); restore it from a backup") from None
        if after is None:
            return Signed()
        anchor = read_anchor(after)
        if anchor is None or not anchor.signed_by(self.keys[LEDGER_NAME].public):
            raise SignerError(
                f"{after}: found no head signed with {key_path(LEDGER_NAME, self.folder)}; a ledger is taken over with its key"
            )
        return taken_over(anchor.seq, anchor.digest)


def serve(
    signer: Signer,
    path: Path,
    allowed: Collection[int],
    *,
    stop: Callable[[], bool] = lambda: False,
    log: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
) -> None:
    """Answer on a socket until asked to stop, one request after the other.

    Args:
        signer: with the keys.
        path: of the socket; one that nobody listens at is replaced.
        allowed: ids of the accounts that may ask; the signer's own may always.
        stop: asked at least each half second.
        log: takes a line for each request: who asked for what, and why it was refused.

    Raises:
        SignerError: another signer listens there, or the path is something else.
    """
    with _listening(path) as listener:
        log(f"signer: listening at {path}; asked by {', '.join(map(_account, sorted({os.getuid(), *allowed})))}")
        try:
            while not stop():
                with suppress(TimeoutError):
                    connection, _ = listener.accept()
                    with connection:
                        answer_one(signer, connection, {os.getuid(), *allowed}, log)
        finally:
            path.unlink(missing_ok=True)


def _listening(path: Path) -> socket.socket:
    if path.exists():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            if not path.is_socket() or probe.connect_ex(str(path)) == 0:
                raise SignerError(f"found {path} in use, expected no file or the socket of a signer that has ended")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise SignerError(f"{path}: no socket can be made there ({error})") from None
    # The kernel says who asks, and whoever is not allowed is refused; the folder may restrict it further.
    path.chmod(0o666)
    listener.listen(16)
    listener.settimeout(0.5)
    return listener


def answer_one(signer: Signer, connection: socket.socket, allowed: Collection[int], log: Callable[[str], None]) -> None:
    """Answer one request, where the account at the other end is one of `allowed`; a line for the log says what came of it."""
    pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    request: Any = None
    try:
        asked_by_known = uid in allowed
        content = received(connection, SECONDS if asked_by_known else SECONDS_OF_OTHERS)
        connection.settimeout(SECONDS)
        if not asked_by_known:
            answer: dict[str, Any] = {"refused": f"account {_account(uid)} may not ask; start the signer with --allow"}
        else:
            request = json.loads(content)
            answer = signer.answer(request)
        connection.sendall(json.dumps(answer).encode())
    except Exception as error:  # one who asks badly, or leaves, ends nothing but their own request
        answer = {"refused": f"{type(error).__name__}: {error}"}
        with suppress(OSError):
            connection.sendall(json.dumps(answer).encode())
    asked = f"{request.get('do')} {request.get('key')}" if isinstance(request, Mapping) else "nothing that can be read"
    log(f"signer: {_account(uid)} (process {pid}) asked: {asked[:60]!r}: {answer.get('refused', 'done')}")


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
