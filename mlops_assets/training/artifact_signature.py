"""The signature over the folder of a stored model: OpenSSF model signing with an EC P-256 key, offline.

Not here: which models may be loaded (`artifact.py`), and who may sign (`governance/`).
"""

import tempfile
from pathlib import Path
from typing import Any

from mlops_assets.ledger.keys import SigningKey
from mlops_assets.training.artifact import ArtifactError

UNSIGNED_FILES = ("registered_model_meta",)


def sign_folder(folder: Path, key: Path | SigningKey, signature_path: Path) -> Path:
    """Sign every file below `folder` with an EC P-256 private key, offline (OpenSSF model signing, Sigstore bundle).

    Args:
        folder: the model's folder; the signature must lie outside it.
        key: private key file, or a key that another process holds.
        signature_path: where the signature is written.

    Raises:
        ArtifactError: when the signature would lie inside what it signs, or the key cannot be used.
    """
    import model_signing.signing

    if folder.resolve() in signature_path.resolve().parents:
        raise ArtifactError(f"{signature_path}: the signature must lie outside the folder it signs, {folder}")
    signature_path.parent.mkdir(parents=True, exist_ok=True)
    try:
        config = model_signing.signing.Config()
        if isinstance(key, Path):
            config.use_elliptic_key_signer(private_key=key)
        else:
            config._signer = _signer_with(key)
        config.set_hashing_config(_hashing(folder))
        config.sign(folder, signature_path)
    except Exception as error:
        raise ArtifactError(f"{folder}: cannot be signed ({type(error).__name__}: {error})") from error
    return signature_path


def _signer_with(key: SigningKey) -> Any:
    """Model signing's signer for EC keys, with a key that is no file: the library takes none otherwise."""
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from model_signing._signing import sign_ec_key

    class Held:
        def sign(self, message: bytes, _: Any) -> bytes:
            return key.sign(message)

        def public_key(self) -> Any:
            return load_pem_public_key(key.public.pem.encode())

    class Signer(sign_ec_key.Signer):
        def __init__(self) -> None:
            self._private_key = Held()  # pyright: ignore[reportAttributeAccessIssue]

    return Signer()


def verify_folder(folder: Path, public_key_pem: Path | bytes, signature_path: Path) -> None:
    """Check that `folder` is, byte for byte and file for file, what was signed with the key.

    Raises:
        ArtifactError: when a file was changed, added or removed, or the signature is another key's or damaged.
    """
    import model_signing.verifying

    with tempfile.TemporaryDirectory() as scratch:
        key_path = Path(scratch) / "public.pem"
        key_path.write_bytes(public_key_pem if isinstance(public_key_pem, bytes) else public_key_pem.read_bytes())
        if not signature_path.is_file():
            raise ArtifactError(f"{signature_path}: the signature of {folder.name} is missing")
        try:
            config = model_signing.verifying.Config().use_elliptic_key_verifier(public_key=key_path)
            config.set_hashing_config(_hashing(folder))
            config.verify(folder, signature_path)
        except Exception as error:
            raise ArtifactError(
                f"{folder}: the signature does not hold ({type(error).__name__}: {str(error)[:300]}). "
                "Restore the registered artifact."
            ) from error


def _hashing(folder: Path) -> Any:
    import model_signing.hashing

    unsigned = [folder / name for name in UNSIGNED_FILES]
    # Left to itself the library skips .git folders and .gitignore files, which could then be added unseen.
    return model_signing.hashing.Config().set_ignored_paths(paths=unsigned, ignore_git_paths=False)
