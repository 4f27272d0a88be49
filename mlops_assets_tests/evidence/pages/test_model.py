"""The page of one model on a ledger that was really written, and what monitoring's reports become on it."""

from dataclasses import replace

import pytest

from mlops_assets.evidence.blocks import Paragraph, Table
from mlops_assets.evidence.pages import window as window_page
from mlops_assets.evidence.pages.fleet import Links, ModelView, view
from mlops_assets.evidence.pages.model import champion_gates, commands, render, versions
from mlops_assets.evidence.pages.window import WindowLinks
from mlops_assets.evidence.window_evidence import heat, leading_metric, window_evidence
from mlops_assets.ledger.events import champion
from mlops_assets.ledger.events.windows import WindowScored
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.monitoring.outcomes.performance import measure
from mlops_assets.monitoring.outcomes.reference_performance import build_reference
from mlops_assets.response.alarm_precision import Precision
from mlops_assets_tests.evidence.conftest import Declared, at, declaration_of
from mlops_assets_tests.evidence.life import Life
from mlops_assets_tests.ledger.made import health_verdict
from mlops_assets_tests.monitoring.outcomes.test_group_changes import declaration, people

SBA = Declared("sba_loan_default", declaration_of("sba_loan_default"))
NOW = at("2004-08-01")


def report(value: float | None = 0.7, *, severity: str = "none", estimate: float | None = None):
    """A window's reports, as the stages write them."""
    drift = {"rows": 900, "columns": [{"name": "state", "severity": severity}, {"name": "score", "severity": "none"}]}
    metric = {"value": value, "low": 0.65, "high": 0.75, "reference": 0.72}
    performance = {
        "performance": {"n": 800, "metrics": {"accuracy": metric, "roc_auc": metric} if value is not None else {}},
        "estimate": {"metrics": {"roc_auc": {"value": estimate, "low": 0.6, "high": 0.8}}} if estimate else None,
    }
    return drift, performance


def of(ledger: Ledger, links: Links | None = None, until: str | None = None) -> ModelView:
    fleet = view(ledger, [SBA], {}, as_of=at(until) if until else None, links={SBA.name: links or Links()})
    return next(m for m in fleet.models if m.name == SBA.name)


@pytest.fixture
def windows():
    return [
        window_evidence("2003-10-01", *report(0.73)),
        window_evidence("2004-01-01", *report(0.61, severity="act")),
        window_evidence("2004-04-01", *report(None, estimate=0.66)),
    ]


def test_the_page_shows_who_approved_what_and_how_the_windows_went(lived: Ledger, windows) -> None:
    links = Links((("card v3", "../cards/v3/card.html"),), {"2004-01-01": "../windows/2004-01-01.html"})
    page = render(of(lived, links), windows, at=NOW)
    for sentence in (
        "validator approved version 3: Evidence reviewed.",
        "Version 3 became champion and replaced version 2, with 2 signatures.",
        'href="../cards/v3/card.html"',
        'href="../windows/2004-01-01.html"',
        "0.650 to 0.750",
        "estimated",
        "mlops packet sba_loan_default 3 -o sba_loan_default-v3.zip",
    ):
        assert sentence in page, sentence
    assert page.count("<svg") == 1


def test_the_page_needs_nothing_else_and_is_the_same_twice(lived: Ledger, windows) -> None:
    page = render(of(lived), windows, at=NOW)
    assert "<script" not in page
    assert "src=" not in page
    assert page == render(of(lived), windows, at=NOW)


def test_texts_of_records_are_escaped(lived: Ledger, life: Life) -> None:
    life.clock.at = at("2015-02-01")
    life.incident("inc-2", summary="<img src=x onerror=alert(1)>", cause="another")
    page = render(of(lived), at=NOW)
    assert "<img" not in page
    assert "&lt;img src=x" in page


def test_what_is_open_comes_with_the_command_that_deals_with_it(lived: Ledger) -> None:
    page = render(of(lived, until="2004-04-10"), at=NOW)
    for shown in (
        "Incident inc-1: label shift, act",
        "mlops incident close inc-1 --disposition true|false|expected|data_fault --key KEY.pem --note TEXT",
        "mlops exception withdraw sba_loan_default ",
        "Retraining requested by policy",
    ):
        assert shown in page, shown


def test_commands_follow_the_state_of_the_model(lived: Ledger, life: Life) -> None:
    lines = [c.line for c in commands(of(lived))]
    assert any(line.startswith("mlops suspend") for line in lines)
    assert any(line.startswith("mlops rollback") for line in lines)
    assert not any(line.startswith("mlops approve") for line in lines), "the newest version decides already"
    life.intervene("model-risk", champion.Retirement, "3", "replaced", "2015-02-01")
    assert not any("suspend" in c.line or "retrain" in c.line for c in commands(of(lived)))


def test_a_suspended_model_says_so_and_how_it_resumes(lived: Ledger, life: Life) -> None:
    life.intervene("validator", champion.Suspension, "3", "wrong prices", "2015-02-01")
    model = of(lived)
    (item, *_) = model.row["needs_attention"]
    assert (item["urgency"], item["title"]) == ("now", "Suspended: no version decides")
    assert "wrong prices" in item["detail"]
    assert item["command"].startswith("mlops resume sba_loan_default")
    assert not any("suspend" in c.line for c in commands(model))
    assert model.lifecycle == "suspended"


def test_versions_are_newest_first_with_how_their_gates_decided(lived: Ledger) -> None:
    found = versions(of(lived))
    assert [(v.version, v.status.status) for v in found] == [
        ("3", "champion"),
        ("2", "former champion"),
        ("1", "refused"),
    ]
    assert found[2].status.reason == "Refused by gate leakage."
    assert found[0].gates == "1 of 1 gates passed"
    assert found[2].gates == "0 of 1 gates passed; failed: leakage"


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ((2, 1, 1, 0), "4 alarms opened an incident: 2 true, 1 false, 1 expected. Precision 0.667 (0.208 to 0.939)."),
        ((0, 0, 0, 1), "1 alarm opened an incident: 1 still open. The precision of alarms is known only after"),
    ],
    ids=["judged", "all open"],
)
def test_the_precision_of_alarms_is_shown_as_far_as_it_is_known(
    lived: Ledger, windows, counts: tuple[int, int, int, int], sentence: str
) -> None:
    interval = (2 / 3, 0.2077, 0.9385) if counts[0] else (None, None, None)
    precision = Precision(SBA.name, "model", SBA.name, *counts, 5, *interval)
    assert sentence in render(of(lived), windows, at=NOW, precision=precision)
    assert "opened an incident" not in render(of(lived), windows, at=NOW)


def test_a_model_that_nothing_is_known_of_has_a_page(ledger: Ledger) -> None:
    page = render(of(ledger), at=NOW)
    assert "No version has been registered" in page
    assert "<svg" not in page


def test_a_broken_model_has_a_page_with_the_reason(lived: Ledger) -> None:
    fleet = view(lived, [Declared(SBA.name, None, "defs.yaml:3: teir")], {})
    broken = next(m for m in fleet.models if m.name == SBA.name)
    page = render(broken, at=NOW)
    assert "defs.yaml:3: teir" in page
    assert '<span class="badge broken">broken</span>' in page


@pytest.mark.parametrize(
    ("drift", "performance"),
    [(None, None), ({}, {}), ({"rows": 0, "columns": []}, {"performance": {}, "estimate": None})],
    ids=["no reports", "empty reports", "nothing measured"],
)
def test_a_window_without_measurements_is_a_gap(drift, performance) -> None:
    found = window_evidence("2004-01-01", drift, performance)
    assert (dict(found.columns), dict(found.metrics), dict(found.estimated)) == ({}, {}, {})
    assert leading_metric([found]) == ""


def test_columns_that_moved_most_are_drawn_first_and_the_rest_is_counted(windows) -> None:
    names, severities, hidden = heat(windows, limit=1)
    assert (names, hidden) == (["state"], 1)
    assert severities == [["none", "act", "none"]]
    unread = window_evidence("2004-07-01", None, None)
    assert heat([*windows, unread])[1][0][-1] == "not_measurable"


@pytest.mark.parametrize(
    ("metrics", "leads"),
    [(("accuracy", "roc_auc"), "roc_auc"), (("mae", "rmse"), "rmse"), (("gini",), "gini")],
    ids=["binary", "regression", "one of somebody's own"],
)
def test_a_model_is_watched_by_its_leading_metric(metrics: tuple[str, ...], leads: str) -> None:
    measured = {"performance": {"metrics": {m: {"value": 0.5} for m in metrics}}}
    assert leading_metric([window_evidence("2004-01-01", None, measured)]) == leads


def test_a_window_page_has_its_verdict_its_groups_its_drivers_and_a_way_back(lived: Ledger) -> None:
    y, score, frame = people(8000, 1)
    declared = declaration()
    reference = build_reference(y, score, "binary", threshold=0.35, frame=frame, declaration=declared)
    y, score, frame = people(3000, 2, m=1.0)
    found = measure(reference, y, score, frame=frame, declaration=declared)
    drift = {"rows": 3000, "columns": [], "attribution": {"reason": "23% of what drives the scores moved"}}
    record = {"reason": "of 6 estimates of roc_auc 5 held the truth, mean error 0.010"}
    joined = {
        "predictions": 3100,
        "due": 3050,
        "matured": 3000,
        "missing": 50,
        "late": 7,
        "corrected": 0,
        "withdrawn": 1,
    }
    performance = {"performance": found.to_dict(), "estimate_record": record, "outcomes": joined}
    places = {"counts": 3000, "open": 0, "repeated": 2, "superseded": 1, "withdrawn": 1, "quarantined": 12}
    outcomes = {"reports": {"places": places, "reasons": {"about no row of the inputs": 9, "bad90: cannot be read": 3}}}
    last = window_evidence("2004-04-01", drift, performance, outcomes)
    (first, second, *_) = last.groups
    assert (first.group, first.measure, second.measure) == ("f", "selection_rate", "")
    assert abs(first.gap_now or 0.0) > abs(first.gap_then or 0.0)
    model = of(lived)
    verdict = next(r for r in model.records if r.seq == model.verdicts[-1].seq)
    links = WindowLinks("../../../fleet.html", "../../../models/m.html", before="../2004-01-01/index.html")
    page = window_page.render(SBA.name, verdict, last, {"columns": [{"name": "state", "severity": "watch"}]}, links)
    for shown in (
        "Attribution: 23% of what drives the scores moved.",
        "of 6 estimates of roc_auc 5 held",
        "Of 3,100 predictions, 3,050 have an outcome that is due: 3,000 have an outcome, 50 have none, 7 came after they were due.",
        "1 recorded outcome was withdrawn.",
        ">say again what an earlier one said</td>",
        f"In quarantine: about no row of the inputs (9); bad90: cannot be read (3). They are in the table {SBA.name}/outcome_quarantine.",
        ">covariate shift<",
        "More new businesses.",
        'href="../../../models/m.html"',
        'href="../2004-01-01/index.html"',
        ">two</td>",
        ">state</td>",
    ):
        assert shown in page, shown


@pytest.mark.parametrize(
    ("alone", "verdict", "lower"), [("critical", "watch", True), ("watch", "watch", False)], ids=["lower", "the same"]
)
def test_a_verdict_that_is_lower_than_its_cause_says_why(alone: str, verdict: str, lower: bool) -> None:
    cause = {"kind": "covariate_shift", "severity": alone, "evidence": "scores moved", "columns": ["mlops_score"]}
    event = health_verdict("2004-04-01", severity=verdict, causes=[cause])
    shown = dict(window_page.parts(SBA.name, event, window_evidence("2004-04-01", {"rows": 0}, None), None))
    (causes,), (measured,) = shown["Causes"], shown["Performance"]
    assert isinstance(causes, Table)
    assert isinstance(measured, Paragraph)
    assert ("The verdict is lower until" in causes.note) is lower
    assert causes.rows[0][2] == "model score"
    assert measured.text == "Nothing was measured: no row was scored."


def test_a_window_page_says_what_became_of_every_row() -> None:
    scored = WindowScored(
        version=1, rows=480, quarantined=17, copies=3, outside_restrictions=2,
        reasons={"age: below 18": 5, "income: not a number": 10}, problems=("b.csv: cannot be read",),
        reading=("a.csv: cp1252", "outcomes: 2 of 9 reports are quarantined: about no row of the inputs (2)"),
    )  # fmt: skip
    event = health_verdict("2004-04-01")
    shown = dict(window_page.parts(SBA.name, event, window_evidence("2004-04-01", None, None), None, scored))
    (counted, reasons, *read) = shown["Rows"]
    assert isinstance(counted, Paragraph)
    assert counted.text == (
        f"480 of 500 rows were scored; 15 in quarantine (table {SBA.name}/scoring_quarantine), 2 in quarantine because a "
        "restriction of use does not allow them, 3 copies of another row."
    )
    assert isinstance(reasons, Table)
    assert reasons.rows == (("income: not a number", "10"), ("age: below 18", "5"))
    assert [block.text for block in read if isinstance(block, Paragraph)] == [
        "b.csv: cannot be read.",
        "a.csv: cp1252.",
    ]


def test_gates_show_which_are_required_and_which_an_exception_lifts(lived: Ledger, life: Life) -> None:
    model = of(lived)
    life.decide("3", "fairness", "failed", "2015-02-01", value=0.5, threshold=0.8, reason="women 0.5")
    model = of(lived)
    row = {**model.row, "required_gates": ["performance"]}
    found = {g.gate: (g.required, g.tone) for g in champion_gates(replace(model, row=row))}
    assert found == {"performance": ("yes", "plain"), "fairness": ("no", "plain")}
    row = {**row, "required_gates": ["fairness"]}
    assert champion_gates(replace(model, row=row))[0].tone == "bad"
    lifted = {**row, "exceptions": [{"gate": "fairness", "version": None}]}
    assert champion_gates(replace(model, row=lifted))[0].required == "yes, lifted by an exception"
