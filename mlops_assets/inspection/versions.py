"""Stored versions: signed when they are registered, and verified before anything reads them."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.governance.approval_subject import registered
from mlops_assets.ledger.events.versions import VersionRegistered
from mlops_assets.ledger.keys import SigningKey, key_path, public_path
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.signing.client import RemoteKey
from mlops_assets.platform import ARTIFACT_KEY, Platform
from mlops_assets.training.artifact import ArtifactError, canonical_digest, load
from mlops_assets.training.artifact_signature import sign_folder, verify_folder

LARGEST = 2 * 1024**3
"""Bytes of a stored version that are copied to be checked."""


def sign_artifact(platform: Platform, folder: Path) -> dict[str, Any]:
    """Sign a stored model; the bundle is kept in the ledger, out of reach of whoever can write to the registry."""
    key = platform.machine_key(ARTIFACT_KEY)
    held = key if isinstance(key, RemoteKey) else key_path(ARTIFACT_KEY, platform.home.keys)
    with tempfile.TemporaryDirectory() as scratch:
        signed = sign_folder(folder, held, Path(scratch) / "model.sig")
        return json.loads(signed.read_text())


def artifact_public_key(platform: Platform) -> bytes:
    """PEM of the key that artifacts are signed with; a machine that only reads needs no more than this half of it.

    Raises:
        ArtifactError: neither half is there.
    """
    private = key_path(ARTIFACT_KEY, platform.home.keys)
    public = public_path(private)
    if public.is_file():
        return public.read_bytes()
    if private.is_file():
        return SigningKey.load(private).public.pem.encode()
    raise ArtifactError(
        f"found neither {public} nor {private.name} beside it, so no signature of an artifact can be checked; copy "
        f"{public.name} from the machine that registers versions"
    )


@contextmanager
def verified(platform: Platform, registration: Record[VersionRegistered]) -> Iterator[Path]:
    """A private copy of a stored version, which is byte for byte what was signed when it was registered.

    What was checked is what is read: whoever can write to the registry cannot exchange a file in between. The copy lives
    as long as the context.

    Raises:
        ArtifactError: the version is not what was signed, or holds a symbolic link or anything else that is no file.
        RegistryError: it is gone.
    """
    public = artifact_public_key(platform)
    stored = platform.registry.folder(registration.model, int(registration.subject))
    with stored as folder, tempfile.TemporaryDirectory() as scratch:
        bundle = Path(scratch) / "model.sig"
        bundle.write_text(json.dumps(registration.event.signature))
        copy = Path(scratch) / "copy" / folder.name
        try:
            copy_files(folder, copy)
            verify_folder(copy, public, bundle)
            yield copy
        except ArtifactError as error:
            # A reader looks for the stored version, not for a copy that is gone.
            raise ArtifactError(str(error).replace(str(copy), str(folder))) from error


def copy_files(folder: Path, target: Path, left: int = LARGEST) -> int:
    """Copy a model's folder, file by file, following no link; returns how many of the `left` bytes may still come.

    Raises:
        ArtifactError: it holds something that is neither a file nor a folder, more than any model, or changes while it is
            read.
    """
    try:
        if folder.is_symlink():
            raise ArtifactError(f"{folder} is a symbolic link; expected the folder itself")
        target.mkdir(parents=True)
        with os.scandir(folder) as found:
            entries = list(found)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                left = copy_files(Path(entry.path), target / entry.name, left)
            elif entry.is_file(follow_symlinks=False):
                # A link put in its place since then is not followed either, and nobody waits for a pipe.
                with open(os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
                    # A file with holes says that it is large and takes no room where it lies; its copy would.
                    content = stream.read(left + 1) if os.fstat(stream.fileno()).st_size <= left else None
                if content is None or len(content) > left:
                    raise ArtifactError(
                        f"{entry.path}: with it, the folder holds more than {LARGEST} bytes; no model does"
                    )
                (target / entry.name).write_bytes(content)
                left -= len(content)
            else:
                what = "a symbolic link" if entry.is_symlink() else "no file"
                raise ArtifactError(f"{entry.path} is {what}; a model's folder holds files and folders only")
    except OSError as error:
        raise ArtifactError(f"{folder}: cannot be copied to be checked: {error}") from error
    return left


def verify_signature(platform: Platform, registration: Record[VersionRegistered]) -> None:
    """Check that a stored version is, byte for byte, what was signed when it was registered.

    Raises:
        ArtifactError: it is not.
        RegistryError: it is gone.
    """
    with verified(platform, registration):
        pass


def verify_artifact(platform: Platform, model: str, version: int) -> str:
    """Check the signature of a stored version; returns the SHA-256 of its content as it is now.

    Raises:
        ArtifactError: the artifact is not what was signed.
        RegistryError: it is gone.
    """
    with verified(platform, registered(platform.ledger.state().model(model), version)) as folder:
        return canonical_digest(folder)


def load_verified(platform: Platform, declaration: Declaration, version: int) -> Any:
    """The fitted pipeline of a version; signature and content digest are verified before it is read."""
    registration = registered(platform.ledger.state().model(declaration.name), version)
    with verified(platform, registration) as folder:
        return load(folder, declaration, registration.event.artifact_digest)
