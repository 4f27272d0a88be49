"""What a verifier compares of the addendum: what it says of the present, and that it lists every judgement since the card."""

from typing import Any

from mlops_assets.evidence.packet.verifier_history import history_of
from mlops_assets.evidence.packet.verifier_ledger import Act, Row
from mlops_assets.evidence.packet.verifier_signatures import Wrong, parsed

LIFECYCLES = {"none": "development", "active": "in use", "suspended": "suspended", "retired": "retired"}
JUDGED = (
    *(
        "approval",
        "exception_granted",
        "exception_withdrawn",
        "finding_recorded",
        "finding_responded",
        "finding_extended",
        "finding_closed",
    ),
    *(
        "validation_recorded",
        "clause_concluded",
        "policy_adopted",
        "tier_assessed",
        "rows_erased",
        "rows_expired",
        "promotion",
        "rollback",
        "suspension",
        "resumption",
        "retirement",
        "segment_paused",
        "segment_resumed",
        "ladder_step_signed",
    ),
    "health_verdict",
    *("incident_opened", "incident_reopened", "incident_taken_up", "incident_merged"),
    *("incident_acknowledged", "incident_mitigated", "incident_reported", "incident_closed"),
    *("retraining_request", "retraining_closed"),
)
"""Kinds of records that the addendum lists."""


def read_addendum(files: dict[str, bytes]) -> tuple[Row, list[Row]]:
    """The addendum, and its entries."""
    if "addendum.json" not in files:
        raise Wrong("addendum.json is missing")
    addendum: Any = parsed(files["addendum.json"], "addendum.json")
    now = addendum.get("now") if isinstance(addendum, dict) else None
    entries = addendum.get("entries") if isinstance(addendum, dict) else None
    if not isinstance(now, dict) or not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise Wrong("addendum.json is no addendum: expected an object with `now` and a list of `entries`")
    return addendum, entries


def check_now(now: Row, rows: list[Row], signed: dict[int, Act], model: str, about: str, champion: Row) -> None:
    """What the addendum says of champion, validation, last verdict and open findings is what the records lead to."""
    version = champion["champion"] if champion["status"] != "retired" else None
    mine = history_of(rows, signed, model)
    judged = mine.of("health_verdict")
    last = max(judged, key=lambda row: (row["subject"], row["seq"])) if judged else None
    validated = mine.validations(about)
    found = {
        "validation": validated[-1]["body"]["outcome"] if validated else None,
        "last_verdict": last and {"window": last["subject"], **{k: last["body"][k] for k in ("severity", "kind")}},
        "champion": None if version is None else str(version),
        "lifecycle": LIFECYCLES[champion["status"]],
        "open_findings": [f["subject"] for f in mine.open_findings()],
    }
    stated = {
        **now,
        "open_findings": [finding["id"] for finding in now["open_findings"]],
        "validation": now["validation"] and now["validation"]["outcome"],
    }
    for name, value in found.items():
        if stated.get(name) != value:
            raise Wrong(f"addendum.json states {stated.get(name)} as {name.replace('_', ' ')}, which is {value}")


def check_addendum(files: dict[str, bytes], rows: list[Row], signed: dict[int, Act], model: str, version: str) -> int:
    """The addendum lists every judgement on the model since the card, each as it is in the ledger; gives back how many."""
    addendum, entries = read_addendum(files)
    about_card = [r for r in rows if (r["kind"], r["model"], r["subject"]) == ("card_issued", model, version)]
    since = about_card[-1]["seq"] if about_card else 0
    stated = (addendum.get("model"), addendum.get("version"), addendum.get("card"))
    if stated != (model, version, since or None):
        raise Wrong(f"addendum.json is about {stated}, expected {(model, version, since or None)}")
    listed = {entry["record"]: entry for entry in entries}
    for row in (r for r in rows if r["model"] == model and r["seq"] > since and r["kind"] in JUDGED):
        entry = listed.pop(row["seq"], None)
        if entry is None:
            raise Wrong(f"addendum.json leaves out record {row['seq']} ({row['kind']} {row['subject']})")
        if any(entry.get(name) != row[name] for name in ("digest", "kind", "subject", "recorded_at")):
            raise Wrong(f"addendum.json describes record {row['seq']} as another one")
        if (
            entry.get("counts") is not False
            and "envelope" in row["body"]
            and row["body"]["envelope"]
            and row["seq"] not in signed
        ):
            raise Wrong(f"addendum.json counts record {row['seq']}, whose signature does not count")
    if listed:
        raise Wrong(f"addendum.json lists record {min(listed)}, which is none of this model since its card")
    return len(entries)
