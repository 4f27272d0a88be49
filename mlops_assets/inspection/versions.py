"""Stored versions: signed when they are registered, and verified before anything reads them."""

import json
import tempfile
from pathlib import Path
from typing import Any

from mlops_assets.declaration import Declaration
from mlops_assets.governance.dossier import registered
from mlops_assets.governance.keys import key_path, load_or_new_key, public_path
from mlops_assets.governance.ledger import Record
from mlops_assets.platform import Platform
from mlops_assets.training.artifact import canonical_digest, load, sign_folder, verify_folder

ARTIFACT_KEY = "artifacts"
"""Name of the key that signs artifacts when they are registered."""


def sign_artifact(platform: Platform, folder: Path) -> dict[str, Any]:
    """Sign a stored model; the bundle is kept in the ledger, out of reach of whoever can write to the registry."""
    load_or_new_key(ARTIFACT_KEY, platform.home.keys)
    with tempfile.TemporaryDirectory() as scratch:
        signed = sign_folder(folder, key_path(ARTIFACT_KEY, platform.home.keys), Path(scratch) / "model.sig")
        return json.loads(signed.read_text())


def verify_signature(platform: Platform, registration: Record) -> Path:
    """Check that a stored version is, byte for byte, what was signed when it was registered; returns its folder.

    Raises:
        ArtifactError: it is not.
        RegistryError: it is gone.
    """
    folder = platform.registry.folder(registration.model, int(registration.subject))
    public = public_path(key_path(ARTIFACT_KEY, platform.home.keys)).read_bytes()
    with tempfile.TemporaryDirectory() as scratch:
        bundle = Path(scratch) / "model.sig"
        bundle.write_text(json.dumps(registration.body["signature"]))
        verify_folder(folder, public, bundle)
    return folder


def verify_artifact(platform: Platform, model: str, version: int) -> str:
    """Check the signature of a stored version; returns the SHA-256 of its content as it is now.

    Raises:
        ArtifactError: the artifact is not what was signed.
        RegistryError: it is gone.
    """
    return canonical_digest(verify_signature(platform, registered(platform.ledger, model, version)))


def load_verified(platform: Platform, declaration: Declaration, version: int) -> Any:
    """The fitted pipeline of a version; signature and content digest are verified before it is read."""
    registration = registered(platform.ledger, declaration.name, version)
    folder = verify_signature(platform, registration)
    return load(folder, declaration, registration.body["artifact_digest"])
