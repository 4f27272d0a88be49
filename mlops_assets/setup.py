"""Making a project ready to run: folders, Dagster's settings, migrated stores, and the first people.

Safe to call again: what exists stays as it is.
"""

import shutil
from collections.abc import Mapping, Sequence

from mlops_assets.governance.enrolment import enrol
from mlops_assets.governance.keys import load_or_new_key
from mlops_assets.governance.people import LEDGER, ROOT, load_people
from mlops_assets.platform import HEAD_KEY, Platform
from mlops_assets.stores.registry import migrate

ROOT_KEY = "root"


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


def enrol_missing(platform: Platform, people: Mapping[str, Sequence[str]]) -> list[str]:
    """Enrol those who are not yet, with keys made under the home's `keys/`; returns their names.

    For a trial on one machine. In a bank everybody makes a key of their own and hands over the public half.
    """
    folder = platform.home.keys
    known = {period.person for period in load_people(platform.ledger).periods}
    root = load_or_new_key(ROOT_KEY, folder)
    added = []
    for name, roles in people.items():
        if name not in known:
            enrol(platform.ledger, root, name, load_or_new_key(name, folder).public, roles)
            added.append(name)
    return added
