"""Commands that sign and record: what each leaves, who may not, and that a refused one leaves nothing.

The tests of this file change one copy of the project, each a model or a person of its own.
"""

import re
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from mlops_assets.ledger.enrolment import enrol as enrol_person
from mlops_assets.ledger.keys import PublicKey, SigningKey
from mlops_assets.platform import Platform
from mlops_assets.project import Project
from mlops_assets_tests.commands.conftest import Own, refused
from mlops_assets_tests.integration.small_project import NUMBER, SNAPSHOT, TIMED

pytestmark = pytest.mark.integration
LATER = (datetime.now(UTC) + timedelta(days=20)).date()


def enrol(own: Own, name: str, *roles: str) -> Path:
    """A new person with these roles; gives back the private key."""
    made = own("keys", "new", name)
    assert made.code == 0, made.err
    public = made.out.split("public key  ")[1].splitlines()[0]
    options = [part for role in roles for part in ("--role", role)]
    answer = own("people", "enrol", name, "--public-key", public, *options, "--key", own.key("root"))
    assert answer.code == 0, answer.err
    assert f"{name} enrolled as {', '.join(roles)}" in answer.out
    return own.key(name)


def test_a_person_is_enrolled_signs_and_is_revoked(own: Own) -> None:
    key = enrol(own, "reviewer", "validator")
    listed = {p["person"]: p for p in own("people", "list", "--json").json}
    assert (listed["reviewer"]["roles"], listed["reviewer"]["state"]) == (["validator"], "active")
    finding = ("finding", "record", SNAPSHOT, "--severity", "low", "--summary", "few rows", "--owner", "developer")
    assert own(*finding, "--due", LATER, "--key", key).code == 0
    revoked = own("people", "revoke", "reviewer", "--reason", "left the bank", "--key", own.key("root"))
    assert revoked.code == 0, revoked.err
    listed = {p["person"]: p for p in own("people", "list", "--json").json}
    assert listed["reviewer"]["state"] == "revoked"
    refused(own(*finding, "--due", LATER, "--key", key), 1, "revoked")


def test_a_key_past_its_last_day_is_listed_as_expired(own: Own) -> None:
    made = own("keys", "new", "contractor")
    public = Path(made.out.split("public key  ")[1].splitlines()[0])
    today = datetime.now(UTC).date()
    enrolled = ("people", "enrol", "contractor", "--public-key", public, "--role", "validator")
    answer = own(*enrolled, "--until", today, "--key", own.key("root"))
    assert answer.code == 0, answer.err
    state = {p["person"]: p["state"] for p in own("people", "list", "--json").json}
    assert state["contractor"] == "active", "the last day is one of validity"
    enrol_person(
        *(
            Platform(Project.find(own.root)).ledger,
            SigningKey.load(own.key("root")),
            "contractor",
            PublicKey.from_pem(public.read_text()),
        ),
        *(["validator"],),
        valid_from=datetime.now(UTC) - timedelta(days=3),
        valid_until=datetime.now(UTC) - timedelta(days=1),
    )
    states = [p["state"] for p in own("people", "list", "--json").json if p["person"] == "contractor"]
    assert states == ["replaced", "expired"]


def test_private_keys_are_for_their_owner_alone_and_never_overwritten(own: Own) -> None:
    assert own("keys", "new", "once").code == 0
    path = own.key("once")
    kept = path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    assert own("keys", "new", "once").code != 0
    assert path.read_bytes() == kept


def test_only_the_root_key_enrols(own: Own) -> None:
    made = own("keys", "new", "stranger")
    public = made.out.split("public key  ")[1].splitlines()[0]
    answer = own(
        "people", "enrol", "stranger", "--public-key", public, "--role", "validator", "--key", own.key("stranger")
    )
    assert answer.code == 1
    assert "stranger" not in {p["person"] for p in own("people", "list", "--json").json}


def test_a_decision_is_signed_over_a_version(own: Own) -> None:
    answer = own("approve", SNAPSHOT, 1, "--key", own.key("model-risk"), "--rationale", "A second look.")
    assert answer.code in (0, 1), answer.err
    if answer.code == 0:
        assert "approved parcel_kind version 1" in answer.out
    rejected = own(
        "approve",
        TIMED,
        1,
        "--key",
        own.key("validator"),
        "--rationale",
        "Replaced.",
        "--reject",
        "--role",
        "validator",
    )
    assert rejected.code == 0, rejected.err
    assert f"rejected {TIMED} version 1" in rejected.out


SIGNED = {
    "approve": ("approve", TIMED, "1", "--rationale", "x"),
    "grant": ("exception", "grant", TIMED, "fairness", "--days", "5", "--reason", "x"),
    "find": (
        *("finding", "record", TIMED, "--severity", "low", "--summary", "x", "--owner", "developer"),
        *("--due", LATER.isoformat()),
    ),
    "validate": ("validation", "record", TIMED, "1", "--outcome", "approved", "--summary", "x"),
    "suspend": ("suspend", TIMED, "--rationale", "x"),
    "retire": ("retire", TIMED, "--rationale", "x"),
    "retrain": ("retrain", TIMED, "--rationale", "x"),
}


@pytest.mark.parametrize(
    ("act", "key", "code", "said"),
    [
        # An author judges nothing about the own model; to stop it anybody may who is enrolled.
        *((act, "developer", 1, "developer") for act in ("approve", "grant", "find", "validate")),
        *((act, "nobody", 1, "is not enrolled") for act in SIGNED),
        *((act, "missing", 2, "no key file") for act in SIGNED),
    ],
)
def test_who_may_not_sign_is_refused_and_leaves_no_record(own: Own, act: str, key: str, code: int, said: str) -> None:
    if key == "nobody" and not own.key("nobody").exists():
        assert own("keys", "new", "nobody").code == 0
    before = own("asof", datetime.now(UTC).date(), TIMED, "--json").json
    refused(own(*SIGNED[act], "--key", own.key(key)), code, said)
    assert own("asof", datetime.now(UTC).date(), TIMED, "--json").json == before


def test_a_finding_is_recorded_answered_and_closed(own: Own) -> None:
    key = own.key("validator")
    recorded = own(
        *("finding", "record", NUMBER, "--severity", "low", "--summary", "sensors are not described"),
        *("--owner", "developer", "--due", LATER, "--key", key),
    )
    assert recorded.code == 0, recorded.err
    row = own("finding", "list", NUMBER, "--json").json[0]
    assert {"id", "model", "severity", "summary", "owner", "due", "overdue", "response", "closed_at"} <= set(row)
    assert (row["severity"], row["due"], row["overdue"]) == ("low", LATER.isoformat(), False)
    answered = own(
        "finding", "respond", NUMBER, row["id"], "--response", "described now", "--key", own.key("developer")
    )
    assert answered.code == 0, answered.err
    refused(own("finding", "close", NUMBER, "no-such", "--note", "x", "--key", key), 1, "no-such")
    assert own("finding", "close", NUMBER, row["id"], "--note", "read", "--key", key).code == 0
    assert own("finding", "list", NUMBER, "--json").json == []
    assert own("finding", "list", NUMBER, "--all", "--json").json[0]["response"] == "described now"


def test_an_exception_is_granted_for_a_while_and_withdrawn(own: Own) -> None:
    key = own.key("model-risk")
    granted = own(
        "exception", "grant", NUMBER, "robustness", "--days", 5, "--reason", "while it is looked at", "--key", key
    )
    assert granted.code == 0, granted.err
    row = own("exception", "list", NUMBER, "--json").json[0]
    assert {"record", "model", "gate", "version", "status", "expires", "person", "role", "reason"} <= set(row)
    assert (row["gate"], row["status"], row["person"]) == ("robustness", "active", "model-risk")
    assert own("status", NUMBER, "--json").json["exceptions"][0]["gate"] == "robustness"
    assert own("exception", "withdraw", NUMBER, row["record"], "--reason", "mended", "--key", key).code == 0
    assert own("exception", "list", NUMBER, "--json").json[0]["status"] == "withdrawn"
    assert own("status", NUMBER, "--json").json["exceptions"] == []


def test_an_exception_holds_through_the_day_it_is_granted_until(own: Own) -> None:
    key = own.key("model-risk")
    grant = ("exception", "grant", NUMBER, "volume", "--reason", "x", "--key", key)
    granted = own(*grant, "--until", LATER)
    assert granted.code == 0, granted.err
    (row,) = [e for e in own("exception", "list", NUMBER, "--json").json if e["gate"] == "volume"]
    assert datetime.fromisoformat(row["expires"]) == datetime.combine(LATER + timedelta(days=1), time(), UTC)
    refused(own(*grant), 2, "--days or --until")
    refused(own(*grant, "--until", LATER, "--days", 3), 2, "--days or --until")
    refused(own(*grant, "--until", "2020-01-01"), 2, "mlops: ")


@pytest.mark.parametrize("days", ["0", "100000", "soon"], ids=["none", "longer than policy allows", "no number"])
def test_an_exception_ends_within_what_policy_allows(own: Own, days: str) -> None:
    answer = own(
        "exception", "grant", NUMBER, "slices", "--days", days, "--reason", "x", "--key", own.key("model-risk")
    )
    assert answer.code in (1, 2)
    assert len(answer.err.strip().splitlines()) == 1
    assert "slices" not in {e["gate"] for e in own("exception", "list", NUMBER, "--json").json}


def test_a_validation_is_signed_with_its_restrictions(own: Own) -> None:
    answer = own(
        *(
            "validation",
            "record",
            TIMED,
            1,
            "--outcome",
            "approved_with_conditions",
            "--summary",
            "Sound for small sums.",
        ),
        *("--condition", "looked at each quarter", "--restriction", '{column: region, allowed: ["north"]}'),
        *("--key", own.key("validator")),
    )
    if answer.code:
        # Names of outcomes are the governance room's; the help lists them.
        outcome = own("validation", "record", "--help").out
        pytest.fail(f"{answer.err} {outcome}")
    rows = own("validation", "list", TIMED, "--json").json
    assert "looked at each quarter" in [c for row in rows for c in row["conditions"]]
    wrong = own(
        *("validation", "record", TIMED, 1, "--outcome", "approved", "--summary", "x", "--key", own.key("validator")),
        *("--restriction", "{column: [}"),
    )
    refused(wrong, 2, "mlops: ")


def test_suspended_it_does_not_decide_until_it_is_resumed(own: Own) -> None:
    key = own.key("validator")
    assert own("suspend", NUMBER, "--key", key, "--rationale", "a look is needed").code == 0
    assert own("asof", datetime.now(UTC).date(), NUMBER, "--json").json[0]["lifecycle"] == "suspended"
    refused(own("suspend", NUMBER, "--key", key, "--rationale", "again"), 1, "suspended")
    resumed = own("resume", NUMBER, "--key", key, "--rationale", "looked at")
    assert resumed.code == 0, resumed.err
    assert own("asof", datetime.now(UTC).date(), NUMBER, "--json").json[0]["lifecycle"] == "in use"


def test_there_is_nothing_to_roll_back_to_after_the_first_champion(own: Own) -> None:
    refused(own("rollback", SNAPSHOT, "--key", own.key("model-risk"), "--rationale", "x"), 1, SNAPSHOT)


def test_a_person_asks_for_a_retraining_once_at_a_time(own: Own) -> None:
    key = own.key("model-risk")
    asked = own("retrain", NUMBER, "--key", key, "--rationale", "new meters", "--until", "2021-07-01")
    assert asked.code == 0, asked.err
    assert f"{NUMBER}__training" in asked.out
    refused(own("retrain", NUMBER, "--key", key, "--rationale", "again", "--until", "2021-07-01"), 1, "not closed yet")


def test_retired_is_the_end(own: Own) -> None:
    assert own("retire", SNAPSHOT, "--key", own.key("model-risk"), "--rationale", "no more parcels").code == 0
    assert own("status", SNAPSHOT, "--json").json["champion"] is None
    refused(own("resume", SNAPSHOT, "--key", own.key("model-risk"), "--rationale", "x"), 1, SNAPSHOT)


def test_an_incident_is_acknowledged_and_closed_with_what_it_was(own: Own) -> None:
    first = own("incident", "list", TIMED, "--json").json[0]
    key = own.key("validator")
    assert own("incident", "ack", first["id"], "--key", key, "--note", "I look").code == 0
    assert "mitigated by" in own("incident", "mitigate", first["id"], "--key", key, "--note", "scored by the rule").out
    assert "has the tickets RISK-7" in own("incident", "ticket", first["id"], "--reference", "RISK-7").out
    refused(own("incident", "ticket", first["id"], "--reference", "two words\x1b"), 2, "--reference")
    report = own.root / "report.md"
    assert own("incident", "report", first["id"], "-o", report).code == 0
    refused(own("incident", "report", first["id"], "-o", report), 2, "is there already")
    assert "RISK-7" in report.read_text(encoding="utf-8")
    signed = own("incident", "sign", first["id"], report, "--key", key)
    assert "signed by" in signed.out, signed.err
    told = own("incident", "show", first["id"]).out
    for line in ("  tickets: RISK-7", "  state: mitigated", "  recorded at: 20", "  what happened:"):
        assert line in told, told
    assert "{" not in told, told
    refused(
        own("incident", "close", first["id"], "--disposition", "perhaps", "--note", "x", "--key", key), 2, "perhaps"
    )
    closed = own("incident", "close", first["id"], "--disposition", "true", "--key", key, "--note", "mended")
    assert closed.code == 0, closed.err
    every = {i["id"]: i for i in own("incident", "list", TIMED, "--all", "--json").json}
    assert (every[first["id"]]["state"], every[first["id"]]["disposition"]) == ("closed", "true")
    refused(
        own("incident", "close", first["id"], "--disposition", "false", "--note", "x", "--key", key),
        1,
        "already closed",
    )
    refused(own("incident", "ack", "no-such", "--note", "x", "--key", key), 1, "no-such")


def test_the_service_key_is_made_once(own: Own) -> None:
    made = own("setup", "--service-key")
    assert made.code == 0, made.err
    assert "service key created and enrolled" in made.out
    key = own.key("automation")
    assert key.stat().st_mode & 0o077 == 0
    kept = key.read_bytes()
    assert {p["person"]: p["roles"] for p in own("people", "list", "--json").json}["automation"] == ["automation"]
    assert "is enrolled already" in own("setup", "--service-key").out
    assert key.read_bytes() == kept
    refused(own("approve", TIMED, 1, "--key", key, "--rationale", "x"), 1, "automation")


def test_set_up_may_be_called_again(own: Own) -> None:
    before = own.key("root").read_bytes()
    answer = own("setup")
    assert answer.code == 0
    assert answer.out.startswith("ready: ")
    assert own.key("root").read_bytes() == before


def test_a_changed_policy_waits_for_the_signature_that_the_one_in_force_asks_for(own: Own) -> None:
    """Last in this file: what is asked of the models of this tier is another thing afterwards."""
    tier = own("policy", "show", NUMBER, "--json").json["tier"]
    (path,) = own.root.rglob(f"policy/{tier}.yaml")
    text = path.read_text(encoding="utf-8")
    first = re.sub(r"(?m)^(adoption:\n(?:  .*\n)*?  roles: )\[model-risk, validator\]", r"\1[model-risk]", text)
    assert first != text
    path.write_text(first, encoding="utf-8")
    assert "waits for a signature as model-risk or validator" in own("policy", "show", NUMBER).out, (
        "as the former one says"
    )
    adopt = ("policy", "adopt", NUMBER, "--rationale", "from now on signed")
    assert "in force (record" in own(*adopt, "--key", own.key("validator")).out
    path.write_text(re.sub(r"(?m)^retention_days: \d+", "retention_days: 9999", first), encoding="utf-8")
    assert "waits for a signature as model-risk" in own("policy", "show", NUMBER).out
    refused(own(*adopt, "--key", own.key("validator")), 1, "needs model-risk")
    assert "waits for a signature" in own("policy", "show", NUMBER).out
    signed = own(*adopt, "--key", own.key("model-risk"))
    assert signed.code == 0, signed.err
    assert own("policy", "show", NUMBER).out.splitlines()[1].startswith("in force since 20")


def test_a_tier_is_assessed_from_answers_in_a_file(own: Own, tmp_path) -> None:
    asked = own("tier", "questions", NUMBER)
    assert asked.code == 0
    path = tmp_path / "answers.yaml"
    path.write_text(asked.out, encoding="utf-8")
    given = ("tier", "assess", NUMBER, "--answers", path, "--key")
    refused(own(*given, own.key("model-risk")), 2, "why")
    filled = asked.out
    for answer in ("low", "low", "advises", "none"):
        filled = filled.replace('answer: ""', f"answer: {answer}", 1).replace('why: ""', "why: totals of a building", 1)
    path.write_text(filled, encoding="utf-8")
    refused(own(*given, own.key("developer")), 1, "developer built")
    signed = own(*given, own.key("model-risk"))
    assert signed.code == 0, signed.err
    assert f"model-risk (model-risk) assessed {NUMBER} as tier low" in signed.out
    shown = own("tier", "show", NUMBER, "--json").json
    assert (shown["assessed"], shown["required"], shown["problem"]) == ("low", "low", "")
    assert {answer["why"] for answer in shown["answers"]} == {"totals of a building"}


def test_a_declared_tier_below_the_assessed_one_ends_with_1(own: Own, tmp_path) -> None:
    path = tmp_path / "answers.yaml"
    given = {"materiality": "high", "complexity": "low", "autonomy": "advises", "people_affected": "none"}
    lines = [f"  {name}: {{answer: {answer}, why: the accounts}}" for name, answer in given.items()]
    path.write_text("\n".join([f"model: {SNAPSHOT}", "answers:", *lines]), encoding="utf-8")
    answer = own("tier", "assess", SNAPSHOT, "--answers", path, "--key", own.key("model-risk"))
    assert answer.code == 1
    assert "cannot be promoted: it is declared as tier low, and model-risk assessed it as tier high" in answer.out
    listed = own("tier", "show")
    assert listed.code == 1


def test_a_copy_of_a_retired_model_is_named(own: Own) -> None:
    (path,) = own.root.rglob(f"models/{SNAPSHOT}/defs.yaml")
    copy = path.parents[1] / "parcel_sorter" / "defs.yaml"
    copy.parent.mkdir()
    copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    if own("status", SNAPSHOT, "--json").json["lifecycle"] != "retired":
        assert own("retire", SNAPSHOT, "--key", own.key("model-risk"), "--rationale", "replaced by a scale").code == 0
    checked = own("check", "parcel_sorter", "--json")
    assert checked.code == 0
    ((text,),) = [row["copies"] for row in checked.json]
    assert f"It has the source and target of {SNAPSHOT}, which was retired" in text
    assert text in own("check", "parcel_sorter").out
