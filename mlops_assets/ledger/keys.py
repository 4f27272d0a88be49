"""ECDSA P-256 keys: made, stored, loaded. Who a key belongs to is `ledger.people`'s business.

A private key lives in one PEM file that only its owner can read, outside the repository. It never appears in a
record, a log or an error: its text form shows the key id alone, and it refuses to be pickled.
"""

import base64
import hashlib
import os
import re
import stat
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mlops_assets.errors import WRONG_CALL, MlopsAssetsError

NAME = re.compile(r"^[a-z0-9][a-z0-9_.@+-]{0,62}$")
_ALGORITHM = ec.ECDSA(hashes.SHA256())
_SIGNING = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
"""Signing needs no random number, so a broken generator gives no key away, and equal packets are equal bytes."""


class KeyRefused(MlopsAssetsError, ValueError):
    """A key file is missing, of another kind, or readable by others."""

    exit_code = WRONG_CALL


class PublicKey:
    """The half of a key that everybody may know.

    Attributes:
        pem: SubjectPublicKeyInfo as PEM text.
        key_id: SHA-256 of the DER form, lowercase hex.
    """

    def __init__(self, key: ec.EllipticCurvePublicKey):
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise KeyRefused(f"found a key of type {_describe(key)}, expected ECDSA on the curve P-256")
        self._key = key
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        self.pem = key.public_bytes(serialization.Encoding.PEM, form).decode()
        self.key_id = hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).hexdigest()

    @classmethod
    def from_pem(cls, pem: str) -> Self:
        """Read PEM text.

        Raises:
            KeyRefused: it is no P-256 public key.
        """
        try:
            key = serialization.load_pem_public_key(pem.encode())
        except ValueError as error:
            raise KeyRefused(f"found no readable PEM public key ({error})") from error
        return cls(key)  # pyright: ignore[reportArgumentType]

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` (DER) over `message` was made with the private half."""
        try:
            self._key.verify(signature, message, _ALGORITHM)
        except InvalidSignature:
            return False
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and other.key_id == self.key_id

    def __hash__(self) -> int:
        return hash(self.key_id)

    def __repr__(self) -> str:
        return f"PublicKey({self.key_id[:12]})"


class SigningKey:
    """A private key, held in memory only as long as it signs."""

    def __init__(self, key: ec.EllipticCurvePrivateKey):
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise KeyRefused(f"found a key of type {_describe(key)}, expected ECDSA on the curve P-256")
        self._key = key
        self.public = PublicKey(key.public_key())

    @classmethod
    def generate(cls) -> Self:
        """A new random key."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def load(cls, path: Path | str, password: bytes | None = None) -> Self:
        """Read a PEM file.

        Raises:
            KeyRefused: missing, not P-256, wrong password, or readable by anybody but its owner.
        """
        path = Path(path)
        if not path.is_file():
            raise KeyRefused(f"found no key file {path}; make one with `mlops keys new NAME`")
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise KeyRefused(f"key file {path} has mode {mode:04o}, expected 0600: run `chmod 600 {path}`")
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password)
        except (ValueError, TypeError) as error:
            raise KeyRefused(f"key file {path} holds no readable PEM private key ({error})") from None
        return cls(key)  # pyright: ignore[reportArgumentType]

    def save(self, path: Path | str, password: bytes | None = None) -> Path:
        """Write the PEM file with mode 0600, and beside it `<name>.pub.pem`.

        Raises:
            KeyRefused: the file exists; a key is never written over.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        protection = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        content = self._key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
        # Written beside and linked into place: a process killed half-way leaves no half key under the real name.
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(partial, path)
        except FileExistsError:
            raise KeyRefused(f"key file {path} exists and is never written over; choose another name") from None
        finally:
            partial.unlink()
        public_path(path).write_text(self.public.pem)
        return path

    def sign(self, message: bytes) -> bytes:
        """ECDSA signature over SHA-256 of `message`, DER; the same for the same message (RFC 6979)."""
        return self._key.sign(message, _SIGNING)

    def __reduce__(self):
        raise TypeError("a private key is not pickled; pass the path of its file")

    def __repr__(self) -> str:
        return f"SigningKey({self.public.key_id[:12]})"


def home_keys() -> Path:
    """Folder of the keys: `$MLOPS_HOME/keys`, by default `.mlops/keys`."""
    return Path(os.environ.get("MLOPS_HOME", ".mlops")) / "keys"


def key_path(name: str, folder: Path | None = None) -> Path:
    """Where the private key called `name` is kept.

    Raises:
        KeyRefused: the name could leave the folder or is not a name.
    """
    if not NAME.match(name) or ".." in name:
        raise KeyRefused(f"found key name {name!r}, expected lowercase letters, digits and _ . @ + -")
    return (folder or home_keys()) / f"{name}.pem"


def public_path(path: Path) -> Path:
    """`validator.pub.pem` beside `validator.pem`."""
    return path.with_name(f"{path.stem}.pub.pem")


def new_key(name: str, folder: Path | None = None, password: bytes | None = None) -> SigningKey:
    """Make and store the key `name`; refuses to replace one that exists."""
    key = SigningKey.generate()
    key.save(key_path(name, folder), password)
    return key


def load_key(name: str, folder: Path | None = None, password: bytes | None = None) -> SigningKey:
    """Load the key `name`."""
    return SigningKey.load(key_path(name, folder), password)


def load_or_new_key(name: str, folder: Path | None = None) -> SigningKey:
    """The key `name`, made when there is none; of several processes that start at once, all get the same one."""
    path = key_path(name, folder)
    if not path.exists():
        try:
            return new_key(name, folder)
        except KeyRefused:
            if not path.exists():
                raise
    return SigningKey.load(path)


def key_id_of(named: str) -> str:
    """Key id of a public key that is named by its PEM file or by the id itself.

    Raises:
        KeyRefused: neither a key id nor a readable PEM file.
    """
    if re.fullmatch(r"[0-9a-f]{64}", named.strip().lower()):
        return named.strip().lower()
    path = Path(named).expanduser()
    if not path.is_file():
        raise KeyRefused(f"found {named!r}, expected a key id (64 hex characters) or the PEM file of a public key")
    return PublicKey.from_pem(path.read_text()).key_id


def encode(signature: bytes) -> str:
    """Standard base64 text."""
    return base64.b64encode(signature).decode()


def decode(text: str) -> bytes:
    """Bytes of standard base64 text; strict, so that one signature, and one statement, has one spelling.

    Raises:
        ValueError: not base64, or not as `encode` writes it.
    """
    found = base64.b64decode(text, validate=True)
    # The last character has bits that say nothing: with others of them the same bytes would look like another text.
    if encode(found) != text:
        raise ValueError("found base64 with stray bits at its end, expected the one way to write it")
    return found


def _describe(key: object) -> str:
    curve = getattr(key, "curve", None)
    return f"{type(key).__name__.strip('_')}{f' on {curve.name}' if curve is not None else ''}"
