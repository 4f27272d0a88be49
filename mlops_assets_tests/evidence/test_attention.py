"""What needs a person: each state that asks for one, with its urgency, its command and who may run it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mlops_assets.evidence.attention import UNDECLARED
from mlops_assets.evidence.attention_items import AttentionItem
from mlops_assets.evidence.inventory import inventory
from mlops_assets.evidence.window_evidence import OutcomeReports
from mlops_assets.ledger.events import champion
from mlops_assets_tests.evidence.conftest import Declared, declaration_of
from mlops_assets_tests.evidence.life import MODEL, POLICY, Life, at
from mlops_assets_tests.evidence.test_version_status import measured

SBA = Declared(MODEL, declaration_of(MODEL))
DAY = timedelta(days=1)


def items(life: Life, days: float = 0.0, models: list | None = None, **kwargs) -> list[AttentionItem]:
    """The items of the model so many days after the last record."""
    at_ = life.clock.at + days * DAY
    rows = inventory(life.ledger, [SBA] if models is None else models, {MODEL: POLICY}, at_, **kwargs)
    (row,) = (row for row in rows if row["model"] == MODEL)
    return [AttentionItem(**item) for item in row["needs_attention"]]


def of_kind(found: list[AttentionItem], kind: str) -> AttentionItem:
    (one,) = (item for item in found if item.kind == kind)
    return one


def waiting(life: Life) -> None:
    life.register("1", "2003-09-20")
    for gate in POLICY.gates.required:
        life.decide("1", gate)
    life.card("1")


def test_a_version_that_waits_asks_only_for_signatures_that_are_missing(life: Life) -> None:
    life.adopt(when="2003-09-19")
    waiting(life)
    both = [item for item in items(life) if item.kind == "approval"]
    assert [(item.urgency, item.command.split()[:4]) for item in both] == [
        ("now", ["mlops", "approve", MODEL, "1"]),
        ("now", ["mlops", "approve", MODEL, "1"]),
    ]
    assert both[0].who == "validator, model-risk"
    life.approve("validator", "1")
    one = of_kind(items(life), "approval")
    assert (one.who, "validator" in one.command, "model-risk" in one.command) == ("model-risk", False, True)
    life.approve("model-risk", "1")
    assert not [item for item in items(life) if item.kind == "approval"]


@pytest.mark.parametrize(
    ("outcome", "status"), [("failed", "refused"), ("not_measurable", "blocked")], ids=["failed", "not measurable"]
)
def test_a_version_that_a_gate_stops_is_named_with_the_reason(life: Life, outcome: str, status: str) -> None:
    life.adopt(when="2003-09-19")
    life.register("1", "2003-09-20")
    for gate in POLICY.gates.required:
        life.decide("1", gate, outcome if gate == "performance" else "passed", reason="143 rows")
    found = of_kind(items(life), "version")
    assert (found.urgency, found.title) == ("soon", f"Version 1 is {status}")
    assert found.detail.endswith("Performance: 143 rows.")


def test_a_stopped_version_presses_less_while_another_one_decides(life: Life) -> None:
    life.adopt(when="2003-09-19")
    life.release("1", "2003-09-20")
    life.register("2", "2003-10-20")
    assert of_kind(items(life), "version").urgency == "open"


def test_a_model_that_nobody_has_trained_says_how(life: Life) -> None:
    assert of_kind(items(life), "training").command == f"dg launch --job {MODEL}__training"
    life.register("1", "2003-09-20")
    assert not [item for item in items(life) if item.kind == "training"]


@pytest.mark.parametrize(
    ("counts", "quarantined", "urgency"),
    [(9_990, 0, None), (11_628, 119, "open"), (9_000, 1_000, "soon")],
    ids=["all could be used", "few could not", "more than policy allows"],
)
def test_outcome_reports_in_quarantine_are_named_with_the_reason(life: Life, counts, quarantined, urgency) -> None:
    reasons = {"about no row of the inputs": quarantined} if quarantined else {}
    reports = OutcomeReports({"counts": counts, "quarantined": quarantined}, reasons)
    found = [item for item in items(life, reports={MODEL: reports}) if item.kind == "outcomes"]
    assert [item.urgency for item in found] == ([urgency] if urgency else [])
    for item in found:
        assert item.title == f"{quarantined:,} of {counts + quarantined:,} reports of outcomes are in quarantine"
        assert item.detail.startswith(f"About no row of the inputs ({quarantined:,}). They are in the table {MODEL}/")


def test_windows_that_nobody_judged_are_not_shown_as_healthy(life: Life) -> None:
    life.adopt(when="2003-09-19")
    life.release("1", "2003-09-20")
    assert not [item for item in items(life) if item.kind == "window"]
    life.clock.at = at("2004-04-02")
    found = of_kind(items(life), "window")
    assert (found.urgency, found.title) == ("now", "2 windows without a verdict")
    assert "2003-10-01 to 2004-01-01" in found.detail
    assert "No window has a verdict yet." in found.detail
    assert "`" not in found.detail, "neither a terminal nor a page renders Markdown"
    life.judge("2003-10-01", "2004-01-01", "none", version="1", when="2004-04-03")
    assert of_kind(items(life), "window").title == "1 window without a verdict"


@pytest.mark.parametrize(
    ("severity", "days", "urgency", "title"),
    [
        ("low", 0, "open", "Finding F1, low"),
        ("low", 75, "soon", "Finding F1, low"),
        ("low", 101, "now", "Finding F1, low, overdue"),
        ("critical", 0, "now", "Finding F1, critical"),
    ],
    ids=["far off", "due within thirty days", "overdue", "critical"],
)
def test_a_finding_presses_by_its_due_date_and_severity(
    life: Life, severity: str, days: int, urgency: str, title: str
) -> None:
    life.clock.at = at("2003-09-01")
    life.find("validator", "F1", "Sensors are not described", "2003-12-10", severity, condition="Looked at weekly")
    found = of_kind(items(life, days), "finding")
    assert (found.urgency, found.title, found.due, found.who) == (urgency, title, "2003-12-10", "developer")
    assert "Condition: Looked at weekly." in found.detail
    assert found.command.startswith(f"mlops finding respond {MODEL} F1")


@pytest.mark.parametrize(("days", "urgency"), [(0, "open"), (45, "soon"), (70, None)], ids=["new", "ends soon", "over"])
def test_an_exception_presses_when_it_is_about_to_expire(life: Life, days: int, urgency: str | None) -> None:
    life.adopt(when="2003-08-01")
    life.grant("model-risk", "fairness", "Under review", "2003-10-01")
    found = [item for item in items(life, days) if item.kind == "exception"]
    assert [item.urgency for item in found] == ([urgency] if urgency else [])
    assert all(item.who == "model-risk" for item in found)


def test_a_suspended_model_says_who_suspended_it_and_how_it_is_resumed(life: Life) -> None:
    life.adopt(when="2003-09-19")
    life.release("1", "2003-09-20")
    life.intervene("developer", champion.Suspension, "1", "wrong prices", "2003-09-21")
    found = items(life)[0]
    assert (found.kind, found.urgency) == ("suspension", "now")
    assert "by developer. wrong prices" in found.detail
    assert found.command.startswith(f"mlops resume {MODEL}")
    life.intervene("model-risk", champion.Retirement, "1", "replaced", "2003-09-22")
    assert items(life) == [], "nothing can be done about a retired model"


def test_an_incident_names_its_window_once_and_who_may_close_it(life: Life) -> None:
    life.incident("inc-1", "2004-04-02", columns=("state",))
    found = of_kind(items(life), "incident")
    assert found.detail == "Window 2004-01-01. Defaults doubled Columns: state."
    assert found.command.startswith("mlops incident close inc-1 ")
    assert found.who == ", ".join(POLICY.incidents.close_roles)


@pytest.mark.parametrize(
    ("models", "title", "command"),
    [
        ([Declared(MODEL, None, "defs.yaml:3: teir")], "Declaration broken", "dg check defs"),
        ([], "No longer declared", f"mlops retire {MODEL}"),
    ],
    ids=["broken", "removed"],
)
def test_a_declaration_that_is_broken_or_gone_comes_first(life: Life, models: list, title: str, command: str) -> None:
    life.register("1", "2003-09-20")
    found = items(life, models=models)[0]
    assert (found.title, found.command.startswith(command)) == (title, True)
    assert (found.detail == UNDECLARED) is False


def test_stale_evidence_is_named(life: Life) -> None:
    found = items(life, stale={MODEL: ["sr_26_2 V.1: validation_report: older than 365 days"]})
    assert [(i.title, i.detail) for i in found if i.kind == "evidence"][-1] == (
        "Evidence out of date",
        "sr_26_2 V.1: validation_report: older than 365 days",
    )


def of_tier(life: Life, days: float = 0.0) -> list[AttentionItem]:
    """What the inventory asks about the tier of the model, were its declared tier low."""
    low = POLICY.model_copy(update={"tier": "low"})
    (row,) = inventory(life.ledger, [SBA], {MODEL: low}, life.clock.at + days * DAY)
    return [AttentionItem(**item) for item in row["needs_attention"] if item["kind"] == "tier"]


def test_the_tier_is_asked_for_before_it_expires_and_after_it_has_ended(life: Life) -> None:
    life.release("1", "2003-09-20")
    (missing,) = of_tier(life)
    assert (missing.urgency, missing.title) == ("soon", "The tier must be assessed")
    assert missing.command == f"mlops tier assess {MODEL} --answers FILE --key KEY.pem"
    declared = replace(life, declaration=SBA.declaration.model_dump(mode="json"))
    declared.assess("validator", "low", "2004-09-01")
    assert of_tier(life) == []
    (soon,) = of_tier(life, 320)
    assert (soon.title, soon.due) == ("The assessment of the tier expires on 2004-09-01", "2004-09-01")
    (ended,) = of_tier(life, 400)
    assert "expired on 2004-09-01" in ended.detail
    declared.assess("validator", "medium", "2004-09-01")
    assert of_tier(life)[0].title == "The declared tier is too low"


def test_a_version_without_an_assessment_waits_for_one_before_it_waits_for_people(life: Life) -> None:
    life.adopt(when="2003-09-19")
    low = POLICY.model_copy(update={"tier": "low"})
    life.register("1", "2003-09-20")
    for gate in POLICY.gates.required:
        life.decide("1", gate, policy_digest=low.digest)
    (row,) = inventory(life.ledger, [SBA], {MODEL: low}, life.clock.at)
    (item,) = [item for item in row["needs_attention"] if item["kind"] == "tier"]
    assert (item["urgency"], item["title"]) == ("now", "Version 1 is waiting for assessment")
    assert f"mlops tier questions {MODEL}" in item["detail"]


def test_a_copy_of_a_retired_model_is_named(life: Life) -> None:
    other = replace(life, model="former", declaration=SBA.declaration.model_dump(mode="json"))
    other.release("1", "2003-09-20")
    other.intervene("model-risk", champion.Retirement, "1", "replaced by a rule")
    rows = {row["model"]: row for row in inventory(life.ledger, [SBA], {MODEL: POLICY}, life.clock.at)}
    assert [copy["model"] for copy in rows[MODEL]["copies"]] == ["former"]
    assert "A copy of former, which was retired" in [item["title"] for item in rows[MODEL]["needs_attention"]]


def test_a_signature_on_a_version_that_a_later_one_superseded_is_said_until_one_decides(life: Life) -> None:
    life.adopt(when="2003-09-19")
    life.release("1", "2003-09-20")
    measured(life, "2")
    life.approve("validator", "2")
    measured(life, "3")

    def said() -> list[str]:
        return [item.detail for item in items(life) if item.kind == "version"]

    assert said() == [
        "Version 3 was registered before this one was released. The signature of validator does not count for another version."
    ]
    life.promote("3", 1)
    assert said() == []
