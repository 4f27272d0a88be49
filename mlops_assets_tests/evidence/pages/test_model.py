"""The page of one model on a ledger that was really written, and what monitoring's reports become on it."""

from dataclasses import replace

import pytest

from mlops_assets.evidence.pages.fleet import Links, ModelView, view
from mlops_assets.evidence.pages.model import commands, open_work, render, versions
from mlops_assets.evidence.window_evidence import heat, leading_metric, window_evidence
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.monitoring.outcomes.performance import measure
from mlops_assets.monitoring.outcomes.reference_performance import build_reference
from mlops_assets.response.alarm_precision import Precision
from mlops_assets_tests.evidence.conftest import Declared, at, declaration_of
from mlops_assets_tests.ledger.raw import raw
from mlops_assets_tests.monitoring.inputs.test_group_changes import declaration, people

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


def test_the_page_tells_who_approved_what_and_how_the_windows_went(lived: Ledger, windows) -> None:
    links = Links((("card v3", "../cards/v3/card.html"),), {"2004-01-01": "../windows/2004-01-01.html"})
    page = render(of(lived, links), windows, at=NOW, approvals=[("validator", 1)])
    for told in (
        "validator approved version 3: Evidence reviewed.",
        "Version 3 became champion in place of version 2, on 2 signatures.",
        'href="../cards/v3/card.html"',
        'href="../windows/2004-01-01.html"',
        "0.650 to 0.750",
        "estimated",
        "mlops packet sba_loan_default 3 -o sba_loan_default-v3.zip",
    ):
        assert told in page, told
    assert page.count("<svg") == 2


def test_the_page_needs_nothing_else_and_is_the_same_twice(lived: Ledger, windows) -> None:
    page = render(of(lived), windows, at=NOW)
    assert "<script" not in page
    assert "src=" not in page
    assert page == render(of(lived), windows, at=NOW)


def test_texts_of_records_are_escaped(lived: Ledger) -> None:
    body = {
        "kind": "data_quality",
        "severity": "act",
        "summary": "<img src=x onerror=alert(1)>",
        "window": "2004-04-01",
    }
    lived.append(raw("incident_opened", body), model=SBA.name, subject="inc-2", happened_at=at("2004-07-02"))
    page = render(of(lived), at=NOW)
    assert "<img" not in page
    assert "&lt;img src=x" in page


def test_what_is_open_comes_with_the_command_that_deals_with_it(lived: Ledger) -> None:
    work = open_work(of(lived, until="2004-04-10"))
    by_head = {head: action.line if action else "" for _, head, _, action in work}
    assert by_head["Incident inc-1: label_shift, act".replace("label_shift", "label shift")] == (
        "mlops incident close inc-1 --disposition true|false|expected --key KEY.pem --note TEXT"
    )
    assert any(line.startswith("mlops exception withdraw sba_loan_default ") for line in by_head.values())
    assert "Retraining is asked for (signed)" in by_head


def test_commands_follow_how_the_model_stands(lived: Ledger) -> None:
    lines = [c.line for c in commands(of(lived))]
    assert any(line.startswith("mlops suspend") for line in lines)
    assert any(line.startswith("mlops rollback") for line in lines)
    assert not any(line.startswith("mlops approve") for line in lines), "the newest version decides already"
    lived.append(raw("version_registered", {"algorithm": "linear"}), model=SBA.name, subject="4")
    offered = next(c for c in commands(of(lived), [("validator", 2), ("model-risk", 1)]) if "approve" in c.line)
    assert (offered.line.split()[3], offered.who) == ("4", "2 × validator, model-risk")
    lived.append(raw("retirement", {"rationale": "replaced"}), model=SBA.name, subject="3")
    assert not any("suspend" in c.line or "retrain" in c.line for c in commands(of(lived)))


def test_a_suspended_model_says_so_and_how_it_resumes(lived: Ledger) -> None:
    lived.append(raw("suspension", {"rationale": "wrong prices"}), model=SBA.name, subject="3")
    tone, head, what, action = open_work(of(lived))[0]
    assert (tone, head) == ("bad", "Suspended: nothing decides")
    assert "wrong prices" in what
    assert action is not None
    assert action.line.startswith("mlops resume sba_loan_default")
    assert not any("suspend" in c.line for c in commands(of(lived)))


def test_versions_are_newest_first_with_how_their_gates_decided(lived: Ledger) -> None:
    found = versions(of(lived))
    assert [(v.version, v.decides) for v in found] == [("3", True), ("2", False), ("1", False)]
    assert found[0].gates == "1 of 1 gates passed"
    assert found[2].gates == "0 of 1 gates passed; failed: leakage"


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ((2, 1, 1, 0), "4 alarms became an incident: 2 true, 1 false, 1 expected. Precision 0.667 (0.208 to 0.939)."),
        ((0, 0, 0, 1), "1 alarm became an incident: 1 still open. How often alarms are right is not known"),
    ],
    ids=["judged", "all open"],
)
def test_how_often_alarms_were_right_is_told_as_far_as_it_is_known(
    lived: Ledger, windows, counts: tuple[int, int, int, int], said: str
) -> None:
    interval = (2 / 3, 0.2077, 0.9385) if counts[0] else (None, None, None)
    precision = Precision(SBA.name, "model", SBA.name, *counts, 5, *interval)
    assert said in render(of(lived), windows, at=NOW, precision=precision)
    assert "became an incident" not in render(of(lived), windows, at=NOW)


def test_a_model_that_nothing_is_known_of_has_a_page(ledger: Ledger) -> None:
    page = render(of(ledger), at=NOW)
    assert "No version has been registered" in page
    assert "<svg" not in page


def test_a_broken_model_has_a_page_with_the_reason(lived: Ledger) -> None:
    view_ = of(lived)
    broken = replace(view_, row={**view_.row, "error": "defs.yaml:3: teir"})
    assert "defs.yaml:3: teir" in render(broken, at=NOW)


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


def test_groups_drivers_and_the_record_of_estimates_are_told_of_the_last_window(lived: Ledger, windows) -> None:
    y, score, frame = people(8000, 1)
    declared = declaration()
    reference = build_reference(y, score, "binary", threshold=0.35, frame=frame, declaration=declared)
    y, score, frame = people(3000, 2, m=1.0)
    found = measure(reference, y, score, frame=frame, declaration=declared)
    drift = {"rows": 3000, "columns": [], "attribution": {"reason": "23% of what drives the scores moved"}}
    record = {"reason": "of 6 estimates of roc_auc 5 held the truth, mean error 0.010"}
    last = window_evidence("2004-04-01", drift, {"performance": found.to_dict(), "estimate_record": record})
    (first, second, *_) = last.groups
    assert (first.group, first.measure, second.measure) == ("f", "selection_rate", "")
    assert abs(first.gap_now or 0.0) > abs(first.gap_then or 0.0)
    page = render(of(lived), [*windows[:-1], last], at=NOW)
    for told in ("23% of what drives the scores moved.", "of 6 estimates of roc_auc 5 held", "6 groups of protected"):
        assert told in page, told
    assert "<td>two</td><td>f</td>" in page
