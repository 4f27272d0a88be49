"""What the processes of a race do: promote, approve and roll back the same model, as fast as they can."""

import json
import os
import random
from collections.abc import Mapping
from pathlib import Path

from mlops_assets.governance.approvals import sign_approval
from mlops_assets.ledger.events.versions import EvidenceStored, VersionRegistered
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import Conflict, Ledger
from mlops_assets.ledger.people import NotAllowed
from mlops_assets.release.interventions import InterventionRefused, rollback
from mlops_assets.release.promotion import PromotionRefused, promote
from mlops_assets.stores.ledger_database import locked_file
from mlops_assets_tests.governance.world import MODEL, policy

POLICY = policy()


class FileRegistry:
    """The registry's protocol over a JSON file that several processes change."""

    def __init__(self, folder: Path):
        self.path = folder / "registry.json"

    def read(self) -> dict:
        return json.loads(self.path.read_text()) if self.path.exists() else {"aliases": {}, "tags": {}}

    def change(self, part: str, name: str, value: object) -> None:
        with locked_file(self.path.with_suffix(".lock")):
            content = self.read()
            if value is None:
                content[part].pop(name, None)
            else:
                content[part][name] = value
            partial = self.path.with_suffix(f".{os.getpid()}")
            partial.write_text(json.dumps(content))
            partial.replace(self.path)

    def versions(self, model: str) -> Mapping[int, Mapping[str, str]]:
        return {int(version): tags for version, tags in self.read()["tags"].items()}

    def aliases(self, model: str) -> Mapping[str, int]:
        return self.read()["aliases"]

    def set_alias(self, model: str, alias: str, version: int) -> None:
        self.change("aliases", alias, version)

    def delete_alias(self, model: str, alias: str) -> None:
        self.change("aliases", alias, None)

    def set_tag(self, model: str, version: int, key: str, value: str) -> None:
        self.change("tags", str(version), {**self.versions(model).get(version, {}), key: value})


def open_ledger(url: str, folder: Path) -> Ledger:
    return Ledger(url, SigningKey.load(folder / "head.pem"), folder / "anchor.json")


STOP = "stop"
"""File that ends the race."""


def work(url: str, folder: Path, seed: int, report: Path) -> None:
    """Act at random until the folder has the file `STOP`; write down every record that the ledger said it took."""
    ledger, registry, dice = open_ledger(url, folder), FileRegistry(folder), random.Random(seed)
    keys = {name: SigningKey.load(folder / f"{name}.pem") for name in ("validator", "second", "risk")}
    digests = {
        int(record.subject): record.event.artifact_digest for record in ledger.of(VersionRegistered, model=MODEL)
    }

    def verify_artifact(model: str, version: int) -> str:
        return digests[version]

    with report.open("a") as file:
        while not (folder / STOP).exists():
            version = dice.choice(list(digests))
            try:
                match dice.randrange(4):
                    case 0:
                        name = dice.choice(list(keys))
                        decision = dice.choice(["approve", "approve", "reject"])
                        record = sign_approval(ledger, keys[name], MODEL, version, "because", decision, policy=POLICY)  # pyright: ignore[reportArgumentType]
                    case 1:
                        record = rollback(ledger, registry, MODEL, keys["risk"], "because", verify_artifact)
                    case 2:
                        record = ledger.append(EvidenceStored(name="note", digest="a" * 64), model=MODEL)
                    case _:
                        record = promote(ledger, registry, POLICY, MODEL, version, verify_artifact).record
            except (PromotionRefused, InterventionRefused, Conflict, NotAllowed):
                continue
            file.write(f"{record.seq} {record.digest}\n")
            file.flush()
