"""Making a project ready to run: folders, Dagster's settings, migrated stores, and the first people.

Safe to call again: what exists stays as it is.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlops_assets.governance.adoption import adopt
from mlops_assets.ledger.enrolment import enrol
from mlops_assets.ledger.keys import SigningKey, key_path, load_or_new_key, public_path
from mlops_assets.ledger.people import AUTOMATION, LEDGER, ROOT
from mlops_assets.platform import ARTIFACT_KEY, HEAD_KEY, Platform
from mlops_assets.stores.mlflow_database import migrate

ROOT_KEY = "root"
SERVICE = "automation"
"""Name of the service key."""


def prepare(platform: Platform) -> None:
    """Folders, `dagster.yaml` in the DAGSTER_HOME, the ledger and MLflow's database, and the root's enrolment."""
    home = platform.home
    home.create()
    settings = platform.project.root / "dagster.yaml"
    target = home.dagster / "dagster.yaml"
    # One that is there may be another store's, such as deploy/postgres/dagster.yaml.
    if settings.is_file() and not target.exists():
        shutil.copyfile(settings, target)
    migrate(home)
    enrol_missing(platform, {ROOT_KEY: (ROOT,), HEAD_KEY: (LEDGER,)})
    # Made now, so that what a second machine needs is there to be copied before the first version is registered.
    artifacts = platform.machine_key(ARTIFACT_KEY)
    if home.signer is not None:
        # Whoever only reads needs the public halves, and no signer.
        for name, key in ((HEAD_KEY, platform.machine_key(HEAD_KEY)), (ARTIFACT_KEY, artifacts)):
            public_path(key_path(name, home.keys)).write_text(key.public.pem)
    for model in platform.project.declarations:
        adopt(platform.ledger, model, platform.policy(model))


def enrol_service(platform: Platform) -> bool:
    """Make and enrol the service key, which does what policy leaves to it; whether it was enrolled now.

    Its private half lies where `MLOPS_AUTOMATION_KEY` says, by default under the home's `keys/`.
    """
    path = service_key_path(platform)
    if platform.home.signer is not None:
        key = platform.machine_key(SERVICE)
    elif path.exists():
        key = SigningKey.load(path)
    else:
        key = SigningKey.generate()
        key.save(path)
    if any(p.person == SERVICE and p.key == key.public and p.ended is None for p in platform.ledger.people().periods):
        return False
    root = load_or_new_key(ROOT_KEY, platform.home.keys)
    enrol(platform.ledger, root, SERVICE, key.public, (AUTOMATION,))
    return True


def service_key(platform: Platform) -> SigningKey | None:
    """The service key, where there is one."""
    path = service_key_path(platform)
    if platform.home.signer is not None:
        # It counts where somebody has enrolled it; otherwise what it would do asks a person.
        enrolled = any(p.person == SERVICE and p.ended is None for p in platform.ledger.people().periods)
        return platform.machine_key(SERVICE) if enrolled else None
    return SigningKey.load(path) if path.exists() else None


def service_key_path(platform: Platform) -> Path:
    """Where the private half of the service key lies."""
    named = platform.home.automation_key
    return Path(named).expanduser() if named else key_path(SERVICE, platform.home.keys)


def enrol_missing(platform: Platform, people: Mapping[str, Sequence[str]]) -> list[str]:
    """Enrol those who are not yet, with keys made under the home's `keys/`; returns their names.

    For a trial on one machine. In a bank everybody makes a key of their own and hands over the public half.
    """
    folder = platform.home.keys
    known = {period.person for period in platform.ledger.people().periods}
    missing = {name: roles for name, roles in people.items() if name not in known}
    # Where nobody is to be enrolled, the root's private key may be elsewhere, as it should: no other one is made here.
    root = load_or_new_key(ROOT_KEY, folder) if missing else None
    for name, roles in missing.items():
        assert root is not None
        # A name may have a colon, and a file's name not everywhere.
        key = platform.machine_key(name) if LEDGER in roles else load_or_new_key(name.replace(":", "."), folder)
        enrol(platform.ledger, root, name, key.public, roles)
    return list(missing)
