"""A policy tried on recorded windows: verdicts are given again from the evidence that was kept, or it is said why not."""

import hashlib
from dataclasses import replace

import pytest

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.inspection.verdict_replay import verdict_changes
from mlops_assets.ledger.events.windows import HealthVerdict
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.monitoring.inputs.column_drift import ColumnDrift
from mlops_assets.monitoring.inputs.drift import DriftVerdict, regraded
from mlops_assets.monitoring.outcomes.performance import measure
from mlops_assets.monitoring.outcomes.reference_performance import build_reference
from mlops_assets.monitoring.verdict.persistence import Earlier
from mlops_assets.monitoring.verdict.triage import triage
from mlops_assets.monitoring.window_results import DRIFT, PERFORMANCE, DriftResult, PerformanceResult
from mlops_assets.policy.policy import Policy
from mlops_assets.stores.home import Home
from mlops_assets.stores.results import WindowResults
from mlops_assets_tests.monitoring.outcomes.test_performance import loans

MODEL = "loans"
WINDOWS = ("2021-01-01", "2021-02-01", "2021-03-01")


def policy(response: dict | None = None, **monitoring: object) -> Policy:
    content = {"tier": "high", "approvals": [], "monitoring": monitoring, "response": response or {}}
    return Policy.model_validate(content)


OURS = policy()


def declared(**overrides: object) -> Declaration:
    return Declaration.model_validate(
        {
            "name": MODEL, "purpose": "Whether a loan fails.", "owner": "team:tests", "developers": ["developer"],
            "tier": "high", "task": "binary", "source": {"path": "x.parquet"}, "id": "id", "event_time": "when",
            "target": "y", "features": {"a": "numeric"}, "training": {"until": "2021-01-01"}, "policy": overrides,
        }
    )  # fmt: skip


def moved(effect: float, fault: str = "") -> DriftVerdict:
    """A window in which `a` has moved by so much, for certain."""
    column = ColumnDrift(
        "a", "numeric", "psi", effect, effect, 1e-9, 1e-9, "act" if fault else "none", "renamed" if fault else "",
        fault, fault_strength=1.0 if fault else 0.0,
    )  # fmt: skip
    found = DriftVerdict(1000, 1000, "act" if fault else "none", (column,), ("a",) if fault else (), (), (), "a moved")
    return regraded(found, OURS.monitoring)


@pytest.fixture(scope="module")
def unmeasured():
    """Performance of a window of which no outcome is known."""
    reference = build_reference(*loans(4000, 1), "binary", threshold=0.3)
    y, score = loans(4, 2)
    return measure(reference, y, score)


class Past:
    """Windows that were judged under `OURS`, as the stages of a window record them."""

    def __init__(self, folder, unmeasured) -> None:
        self.ledger = Ledger(f"sqlite:///{folder}/ledger.db")
        self.home = Home.of(folder, {"MLOPS_HOME": str(folder)})
        self.unmeasured = unmeasured
        self.earlier: list[Earlier] = []

    def judge(self, window: str, drift: DriftVerdict) -> None:
        found = triage(
            drift, self.unmeasured, self.earlier, OURS.monitoring,
            {kind: OURS.actions(kind) for kind in ("data_quality", "covariate_shift")},
        )  # fmt: skip
        self.earlier.append(Earlier(window, found.raw))
        results = WindowResults(self.home.reports, MODEL, window)
        performance = PerformanceResult(self.unmeasured, 1, None, None, (), {}, {})
        digests = {
            "drift": results.write(DRIFT, DriftResult(drift, 1, {"features": [], "reason": ""})),
            "performance": results.write(PERFORMANCE, performance),
        }
        verdict = HealthVerdict.model_validate(
            {
                "window_end": window, "severity": found.severity, "kind": found.kind, "reasons": found.reasons,
                "action": found.actions, "raw": found.raw, "version": "1", "evidence": digests,
                "policy_digest": OURS.digest,
                "causes": [
                    {"kind": c.kind, "severity": c.severity, "evidence": c.evidence, "columns": c.columns}
                    for c in found.causes
                ],
            }
        )  # fmt: skip
        self.ledger.append(verdict, model=MODEL, subject=window)

    def path(self, window: str, name: str):
        return WindowResults(self.home.reports, MODEL, window).path(name)

    def diff(self, proposed: Policy, *models: Declaration):
        declarations = {d.name: d for d in models or (declared(),)}
        found = verdict_changes(self.ledger, self.home, {"high": OURS}, {"high": proposed}, declarations)
        return [(c.window, c.before, c.after, c.effect) for c in found]


@pytest.fixture
def past(tmp_path, unmeasured):
    found = Past(tmp_path, unmeasured)
    for window, effect in zip(WINDOWS, (0.02, 0.3, 0.15), strict=True):
        found.judge(window, moved(effect))
    return found


SHIFT = "covariate_shift"
WATCHED = f"watch {SHIFT}"


@pytest.mark.parametrize(
    ("proposed", "expected"),
    [
        (OURS, []),
        (policy(jeffreys_alpha=0.05), []),
        (policy(psi_watch=0.2), [("2021-03-01", WATCHED, "none", "lowers")]),
        (policy(persistence_k=1), [("2021-02-01", WATCHED, f"act {SHIFT}: watch", "raises")]),
        (policy(psi_act=0.12), [("2021-03-01", WATCHED, f"act {SHIFT}: watch", "raises")]),
        (policy({SHIFT: ["incident"]}, persistence_k=1), [("2021-02-01", WATCHED, f"act {SHIFT}: incident", "raises")]),
        (policy({SHIFT: ["suspend"]}), []),
    ],
    ids=[
        "the same", "a field that no verdict depends on", "a laxer threshold", "no persistence",
        "a stricter one, seen in the window before as well", "other actions, and they come to it",
        "other actions that nothing came to",
    ],
)  # fmt: skip
def test_what_another_policy_would_have_said(past, proposed, expected):
    before = len(past.ledger.records())
    assert past.diff(proposed) == expected
    assert len(past.ledger.records()) == before


def test_other_actions_on_the_same_severity(past):
    past.judge("2021-04-01", moved(0.0, fault="renamed_category"))
    found = past.diff(policy({"data_quality": ["incident", "suspend"]}))
    assert found == [
        ("2021-04-01", "critical data_quality: incident, quarantine_window", "critical data_quality: incident, suspend",
         "acts_otherwise")
    ]  # fmt: skip


def test_a_threshold_that_is_applied_while_rows_are_counted_is_said_to_be_beyond_replay(past):
    assert past.diff(policy(alpha=0.05, psi_act=0.12)) == [("", "3 verdicts", None, "cannot_replay")]


@pytest.mark.parametrize("damage", ["gone", "changed", "of another form"])
def test_evidence_that_is_not_there_is_said_and_the_other_windows_are_replayed(past, damage):
    path = past.path(WINDOWS[1], "drift")
    if damage == "gone":
        path.unlink()
    elif damage == "changed":
        path.write_text(path.read_text() + " ")
    else:
        path.write_text("{}")
        verdict = past.ledger.latest_of(HealthVerdict, model=MODEL, subject=WINDOWS[1]).event
        evidence = {**verdict.evidence, "drift": hashlib.sha256(b"{}").hexdigest()}
        past.ledger.append(verdict.model_copy(update={"evidence": evidence}), model=MODEL, subject=WINDOWS[1])
    assert past.diff(policy(psi_act=0.12)) == [
        (WINDOWS[1], WATCHED, None, "cannot_replay"),
        # What the record says of the window before is enough for persistence.
        (WINDOWS[2], WATCHED, f"act {SHIFT}: watch", "raises"),
    ]


def test_models_without_verdicts_and_undeclared_ones_are_left_out(past):
    other = declared().model_copy(update={"name": "other"})
    assert past.diff(policy(persistence_k=1), other) == []


def test_a_model_that_is_stricter_itself_is_not_touched_by_what_it_exceeds(past):
    strict = declared(monitoring={"psi_act": 0.12})
    assert past.diff(policy(psi_act=0.14), strict) == []


def test_regrading_under_the_same_rules_changes_nothing():
    for drift in (moved(0.02), moved(0.15), moved(0.3), moved(0.0, fault="renamed_category")):
        assert regraded(drift, OURS.monitoring) == drift
        assert regraded(replace(drift, severity="none"), OURS.monitoring).severity == drift.severity
