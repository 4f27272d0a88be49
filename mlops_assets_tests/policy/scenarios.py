"""For each field of a policy two values, and what comes out otherwise: a decision, a verdict, an action, a date or a refusal.

A new field needs a line here. What comes out is computed by the code that reads the field; that the policy's digest differs
counts for nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.declaration.terms import Cadence
from mlops_assets.evidence.proof import Period, ProofInputs, proof
from mlops_assets.gates import contract
from mlops_assets.gates.registry import decide
from mlops_assets.governance.adoption import adopt, adoption
from mlops_assets.governance.approvals import approval_state
from mlops_assets.governance.decisions import blocks
from mlops_assets.governance.exceptions import sign_exception
from mlops_assets.governance.findings import blocking, record_finding
from mlops_assets.governance.tiers import assess, tier_standing
from mlops_assets.governance.validations import objections, record_validation
from mlops_assets.ledger.events.windows import HealthVerdict, LadderCheck, LadderTested
from mlops_assets.ledger.people import NotAllowed
from mlops_assets.monitoring.inputs.column_statistics import ColumnStatistic, alarm
from mlops_assets.monitoring.inputs.drift import compare
from mlops_assets.monitoring.outcomes.estimate import estimate_performance
from mlops_assets.monitoring.outcomes.performance import measure
from mlops_assets.monitoring.outcomes.reference_performance import ReferencePerformance, build_reference
from mlops_assets.monitoring.verdict.persistence import Earlier, after_persistence
from mlops_assets.monitoring.verdict.triage import triage
from mlops_assets.pipeline.stages import ladder_tests
from mlops_assets.pipeline.stages.evaluation import stability_settings
from mlops_assets.pipeline.stages.late_rows import late_incidents
from mlops_assets.policy.policy import Policy, PolicyError, read_policy
from mlops_assets.release import interventions
from mlops_assets.release.automation import allowed
from mlops_assets.release.ladder import climb
from mlops_assets.release.oversight import due, rejection_term, review_due
from mlops_assets.release.promotion import promote
from mlops_assets.release.steps import sign_step
from mlops_assets.response.incident_acts import acknowledge, close
from mlops_assets.response.incidents import open_incident
from mlops_assets.response.retraining import close as close_request
from mlops_assets.response.retraining import consider
from mlops_assets.statistics.counting import count_window
from mlops_assets.statistics.profile import build_profile
from mlops_assets.statistics.statistic import STATISTICS
from mlops_assets_tests.gates import (
    test_artifact,
    test_calibration,
    test_completeness,
    test_contract,
    test_cost,
    test_fairness,
    test_label_bias,
    test_leakage,
    test_parity,
    test_performance,
    test_proxy,
    test_reason_codes,
    test_robustness,
    test_slices,
    test_stability,
    test_volume,
)
from mlops_assets_tests.governance.assessments import TIERING, answers, declared
from mlops_assets_tests.governance.world import MODEL, START, World, build
from mlops_assets_tests.ledger.made import health_verdict, promotion
from mlops_assets_tests.monitoring.outcomes.test_group_changes import declaration as with_groups
from mlops_assets_tests.monitoring.outcomes.test_group_changes import people
from mlops_assets_tests.monitoring.outcomes.test_performance import loans
from mlops_assets_tests.monitoring.verdict.test_triage import BROKEN, QUIET, SHIFTED, alike_people
from mlops_assets_tests.pipeline import test_trainings_due
from mlops_assets_tests.pipeline.stages import test_ladder_tests
from mlops_assets_tests.policy.test_policy import DEFAULT

Effect = Callable[[Policy, Path], object]


@dataclass(frozen=True)
class Scenario:
    """Two values of a field, and what comes of a policy; `beside` are other fields that must have a certain value."""

    one: Any
    other: Any
    effect: Effect
    beside: dict[str, Any] = field(default_factory=dict)


EXEMPT = {
    "retention_days": "when data are removed is in privacy/test_retention.py, and no decision on a version depends on it"
}
"""Fields without an effect of their own, and why."""


# --- gates: the outcome on one piece of evidence ------------------------------------------------------------------------


def outcome(gate: str, evidence: dict[str, Any]) -> Effect:
    return lambda policy, _: decide(gate, evidence, policy.gates).outcome


def on(gate: str, **fields: tuple[Any, ...]) -> dict[str, Scenario]:
    """Scenarios of a gate: field to its two values and the evidence, and perhaps other fields of the rule."""
    found = {}
    for name, (one, other, evidence, *beside) in fields.items():
        rule = {f"gates.{gate}.{key}": value for key, value in (beside[0] if beside else {}).items()}
        found[f"gates.{gate}.{name}"] = Scenario(one, other, outcome(gate, evidence), rule)
    return found


def blocked(gate: str, decided: str, absent: bool = False) -> Effect:
    return lambda policy, _: blocks(policy, gate, decided, absent)


def repeated(policy: Policy, _: Path) -> object:
    return stability_settings(policy.gates)


def late(policy: Policy, folder: Path) -> object:
    """Incidents about three of a hundred rows that came after their window was scored."""
    world = build(folder)
    world.register(1, time=True)
    world.score("2026-02-01")
    model = world.ledger.state().model(MODEL)
    return len(late_incidents(world.ledger, model, {"2026-02-01": 3}, policy.gates.of(contract.GATE).max_late_share))


PAIR = test_performance.pair(-0.0101, 0.02)
LOW, ODDS = {"min_ratio": None}, test_fairness.ODDS
APART = test_fairness.attribute(test_fairness.group("a", tpr=0.9), test_fairness.group("b", tpr=0.5))
FAIR, LABELS, SLICES = test_fairness.fairness, test_label_bias.labels, test_slices.slices
TWO = test_fairness.two
GATES: dict[str, Scenario] = {
    **on("contract", max_quarantined_share=(0.02, 0.005, test_contract.contract())),
    "gates.contract.max_late_share": Scenario(0.05, 0.01, late),
    **on(
        "volume",
        min_rows=(500, 501, test_volume.volume()),
        min_class_rows=(50, 51, test_volume.volume()),
        max_missing_target_share=(0.05, 0.01, test_volume.volume(missing_target=20)),
    ),
    **on(
        "leakage",
        max_auc=(0.9, 0.6, test_leakage.leakage(test_leakage.feature())),
        max_r2=(0.95, 0.5, test_leakage.leakage(test_leakage.feature(auc=None, r2=0.7), task="regression")),
        max_share_after_event=(0.0, 0.1, test_leakage.leakage(test_leakage.feature(after_event=0.05))),
        forbidden_columns=((), ("recovered_*",), test_leakage.leakage(test_leakage.feature("recovered_usd"))),
    ),
    **on(
        "label_bias",
        min_ratio=(0.8, 0.99, LABELS(("men", 2000, 1000), ("women", 2000, 920))),
        max_difference=(None, 0.01, LABELS(("men", 2000, 1000), ("women", 2000, 920))),
        max_standardised_difference=(
            0.5,
            0.01,
            LABELS(("men", 500, 1.0, 1.0), ("women", 500, 0.9, 1.0), task="regression"),
        ),
        min_group_size=(100, 5000, LABELS(("men", 2000, 1000), ("women", 2000, 920))),
        alpha=(0.01, 0.4, LABELS(("men", 150, 75), ("women", 150, 52))),
        pass_alpha=(0.05, 0.49, LABELS(("men", 150, 75), ("women", 150, 66))),
    ),
    **on(
        "proxy",
        max_auc=(0.7, 0.6, test_proxy.proxy()),
        max_single_auc=(0.6, 0.55, test_proxy.proxy()),
        allow_protected_inputs=(True, False, test_proxy.proxy(is_input=True)),
    ),
    **on("parity", min_rows=(100, 200, test_parity.parity())),
    **on(
        "artifact",
        max_megabytes=(2, 1, test_artifact.artifact(bytes=1_500_000)),
        max_vulnerability=(
            "medium",
            "low",
            test_artifact.artifact(advisories=test_artifact.advisories(("X-1", "medium"))),
        ),
        require_advisories=(False, True, test_artifact.artifact()),
        require_lock=(False, True, test_artifact.artifact()),
        forbidden_licences=((), ("AGPL-*",), test_artifact.artifact(licences={"AGPL-3.0": ["p"]})),
    ),
    **on(
        "performance",
        min_auc=(0.6, 0.75, test_performance.performance(0.7)),
        min_skill=(0.05, 0.2, test_performance.performance(task="regression", skill=0.1)),
        min_outcomes=(50, 500, {**test_performance.performance(), "rarest": 100}),
        champion_margin=(0.01, 0.02, test_performance.performance(comparison=PAIR)),
        against_champion=("ignore", "better", test_performance.performance(comparison=PAIR)),
        max_attempts=(10, 2, test_performance.performance(comparison=test_performance.tried(3))),
    ),
    **on(
        "slices",
        max_gap=(0.1, 0.01, SLICES(test_slices.part(-0.05))),
        alpha=(0.05, 0.005, SLICES(test_slices.part(-0.3))),
        min_rows=(200, 300, SLICES(test_slices.part(-0.01))),
        include_found=(False, True, SLICES(test_slices.part(), found=[test_slices.part(-0.3)])),
    ),
    **on(
        "calibration",
        max_ece=(0.03, 0.02, test_calibration.calibration()),
        max_bias=(0.02, 0.01, test_calibration.calibration()),
        slope=(None, (0.95, 1.05), test_calibration.calibration()),
        min_rows=(200, 300, test_calibration.calibration()),
    ),
    **on(
        "robustness",
        max_drop=(0.05, 0.01, test_robustness.robustness(("noise", 0.03, 0.2, ""))),
        max_flips=(None, 0.1, test_robustness.robustness(("noise", 0.03, 0.2, ""))),
    ),
    **on(
        "fairness",
        min_ratio=(0.8, 0.99, FAIR(TWO(0.95))),
        max_difference=(None, 0.01, FAIR(TWO(0.95)), LOW),
        max_equalized_odds=(None, 0.1, FAIR(APART), LOW),
        max_equal_opportunity=(None, 0.1, FAIR(APART), {**LOW, "max_equalized_odds": None}),
        max_predictive_parity=(None, 0.1, FAIR(APART), {**LOW, "max_equalized_odds": None}),
        max_error_difference=(0.5, 0.01, test_fairness.errors(2.0)),
        max_accuracy_difference=(0.2, 0.001, test_fairness.accuracies(800, 780)),
        include_intersections=(False, True, FAIR(TWO(0.95), TWO(0.1, name="sex & age", intersection=True))),
        min_group_size=(100, 5000, FAIR(TWO(0.6))),
        min_group_positives=(10, 5000, FAIR(APART), ODDS),
        alpha=(0.01, 0.4, FAIR(TWO(0.7, n=200))),
        pass_alpha=(0.05, 0.49, FAIR(TWO(0.85, n=200))),
    ),
    **on(
        "reason_codes",
        min_coverage=(0.9, 1.0, test_reason_codes.reasons(explained=95)),
        max_codes=(5, 4, test_reason_codes.reasons(most_codes=5)),
        min_faithful=(0.9, 0.99, test_reason_codes.reasons(faithful=380)),
        min_share=(0.01, 0.1, test_reason_codes.reasons(least_share=0.05)),
        min_shapley=(0.9, 0.99, test_reason_codes.reasons(shapley_agreement=0.95)),
        min_stable=(0.9, 0.99, test_reason_codes.reasons(stable_first=0.95)),
        min_supported=(0.3, 0.9, test_reason_codes.reasons(supported=200)),
    ),
    **on(
        "completeness",
        min_share=(0.5, 0.9, test_completeness.card("present", "missing")),
        blocking_profiles=((), ("sr26_2",), test_completeness.card("present", "missing"), {"min_share": 0}),
    ),
    **on(
        "stability",
        max_seed_spread=(1.0, 0.001, test_stability.stability(seeds=(0.69, 0.70, 0.71))),
        max_resample_spread=(1.0, 0.001, test_stability.stability()),
        max_churn=(None, 0.05, test_stability.stability(churn=0.1)),
        min_repeats=(3, 4, test_stability.stability()),
    ),
    **on(
        "cost",
        max_seconds_per_million=(600, 100, test_cost.costs(300.0)),
        max_memory_megabytes=(None, 1, test_cost.costs(300.0, memory=3.0)),
        max_disk_megabytes=(None, 1, test_cost.costs(300.0, disk=3.0)),
    ),
    "gates.stability.repeats": Scenario(3, 5, repeated),
    "gates.stability.rows": Scenario(1000, 2000, repeated),
}


# --- monitoring: the verdict on one window ------------------------------------------------------------------------------


@cache
def table(rows: int, seed: int) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    return pl.DataFrame({"x": generator.normal(size=rows), "k": generator.choice(["a", "b"], rows)})


PROFILE = build_profile(table(5000, 1), {"x": "numeric", "k": "categorical"})


def of_inputs(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Effect:
    window = change(table(2000, 2))

    def effect(policy: Policy, _: Path) -> object:
        found = compare(PROFILE, count_window(window, PROFILE), policy.monitoring)
        return found.severity, found.faults

    return effect


@cache
def reference_of(task: str) -> ReferencePerformance:
    if task == "groups":
        y, score, frame = people(8000, 1)
        return build_reference(y, score, "binary", threshold=0.35, frame=frame, declaration=with_groups())
    if task == "regression":
        return build_reference(*numbers(5000, 1), "regression")
    return build_reference(*loans(10_000, 1), "binary", threshold=0.3)


def numbers(rows: int, seed: int, bias: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    score = generator.normal(size=rows)
    return score + bias + generator.normal(size=rows), score


def of_outcomes(task: str = "binary", rows: int = 5000, **change: float) -> Effect:
    def effect(policy: Policy, _: Path) -> object:
        y, score = numbers(rows, 2, **change) if task == "regression" else loans(rows, 2, **change)
        found = measure(reference_of(task), y, score, thresholds=policy.monitoring)
        return found.severity, found.measurable, found.reasons

    return effect


def of_groups(policy: Policy, _: Path) -> object:
    y, score, frame = people(5000, 2, m=0.6)
    return measure(
        reference_of("groups"), y, score, frame=frame, declaration=with_groups(), thresholds=policy.monitoring
    ).fairness_severity


def persistent(policy: Policy, _: Path) -> object:
    earlier = [Earlier("2020-01", {"covariate_shift": "act"}), Earlier("2020-02", {})]
    return after_persistence("covariate_shift", "act", earlier, policy.monitoring)


def estimated(policy: Policy, _: Path) -> object:
    shifted = loans(3000, 2, shift=0.5)[1]
    most = policy.monitoring.estimate_score_shift
    return estimate_performance(reference_of("binary"), shifted, most_score_shift=most).abstained


def stated(name: str) -> Effect:
    """The alarm that a registered statistic raises at 0.3."""
    found = (ColumnStatistic(name, 0.3, 1e-9),)
    return lambda policy, _: alarm(found, policy.monitoring)[0]


MOVED = of_inputs(lambda t: t.with_columns(pl.col("x") + 0.5))
WORSE, HIGHER, BIASED = of_outcomes(flip=0.3), of_outcomes(odds=0.8), of_outcomes("regression", bias=0.2)
MONITORING = {
    "psi_watch": Scenario(0.01, 4.0, MOVED, {"monitoring.psi_act": 5.0}),
    "psi_act": Scenario(0.1, 5.0, MOVED),
    "alpha": Scenario(0.01, 1e-200, MOVED),
    "persistence_k": Scenario(2, 3, persistent),
    "persistence_n": Scenario(2, 3, persistent),
    "minimum_rows": Scenario(200, 3000, MOVED),
    "max_null_increase": Scenario(
        0.05, 0.9, of_inputs(lambda t: t.with_columns(x=pl.when(pl.int_range(pl.len()) % 5 > 0).then("x")))
    ),
    "max_new_category_share": Scenario(
        0.05,
        0.9,
        of_inputs(
            lambda t: t.with_columns(k=pl.when(pl.int_range(pl.len()) % 5 > 0).then("k").otherwise(pl.lit("new")))
        ),
    ),
    "performance_drop_watch": Scenario(0.03, 0.9, WORSE, {"monitoring.performance_drop_act": 0.9}),
    "performance_drop_act": Scenario(0.06, 0.9, WORSE),
    "minimum_outcomes": Scenario(10, 3000, of_outcomes()),
    "calibration_watch": Scenario(0.1, 9.0, HIGHER, {"monitoring.calibration_act": 9.0}),
    "calibration_act": Scenario(0.3, 9.0, HIGHER),
    "bias_watch": Scenario(0.05, 9.0, BIASED, {"monitoring.bias_act": 9.0}),
    "bias_act": Scenario(0.1, 9.0, BIASED),
    "jeffreys_alpha": Scenario(0.01, 1e-300, HIGHER),
    "relation_watch": Scenario(0.03, 9.0, WORSE, {"monitoring.relation_act": 9.0}),
    "relation_act": Scenario(0.06, 9.0, WORSE),
    "fairness_watch": Scenario(0.05, 0.9, of_groups, {"monitoring.fairness_act": 0.9}),
    "fairness_act": Scenario(0.06, 0.9, of_groups),
    "estimate_score_shift": Scenario(0.01, 5.0, estimated),
}


# --- people and the model in use: what they may do, and what becomes due ------------------------------------------------


def in_a_world(act: Callable[[World, Policy], object]) -> Effect:
    """What comes of an act in a new bank; a refusal is what comes of it as well."""

    def effect(policy: Policy, folder: Path) -> object:
        world = build(folder)
        world.register(1, time=True)
        try:
            return act(world, policy)
        except Exception as refusal:
            return type(refusal).__name__, str(refusal)

    return effect


def champion(world: World, policy: Policy, *versions: int) -> None:
    """Promote versions one after the other under the policy."""
    adopt(world.ledger, MODEL, policy, key=world.keys["risk"], rationale="as it is")
    for version in versions or (1,):
        if version > 1:
            world.register(version, time=True)
        world.decide(policy, version)
        record_validation(world.ledger, world.keys["validator"], policy, MODEL, version, "approved", "examined")
        world.approve(policy, "validator", "risk", version=version)
        promote(world.ledger, world.registry, policy, MODEL, version, world.verify_artifact)


def opened(world: World, policy: Policy) -> list[tuple[str, str, bool]]:
    """What is due about the model, and whether the service key may do it."""
    found = due(world.ledger.state(), policy, MODEL, world.ledger.clock())
    return [(o.kind, o.summary[:60], allowed(policy, o)) for o in found]


def verdict(world: World, kind: str = "concept_drift", severity: str = "critical", version: int = 1) -> None:
    event = health_verdict("2026-02-01", severity=severity, kind=kind, version=str(version))
    world.ledger.append(event, model=MODEL, subject="2026-02-01")


def file_of_a_tier(policy: Policy, folder: Path) -> object:
    path = folder / "high.yaml"
    path.write_text(policy.model_dump_json())
    try:
        return read_policy(path).tier
    except PolicyError as refusal:
        return str(refusal)


def excepted(world: World, policy: Policy) -> object:
    expires = world.clock.now + timedelta(days=60)
    return sign_exception(world.ledger, world.keys["risk"], policy, MODEL, "cost", "why", expires).event.gate


def found_high(world: World, policy: Policy) -> object:
    later = world.clock.now + timedelta(days=20)
    record_finding(world.ledger, world.keys["validator"], MODEL, "medium", "weak", "developer", later, version=1)
    return len(blocking(world.ledger.state().model(MODEL), policy, 1))


def after_rejection(world: World, policy: Policy) -> object:
    champion(world, policy)
    record_validation(world.ledger, world.keys["validator"], policy, MODEL, 1, "rejected", "unfit")
    term = rejection_term(world.ledger.state().model(MODEL), policy)
    return term and term[1].date()


def retrained(world: World, policy: Policy) -> object:
    """What the policy answers to verdicts of six quarters, with each request closed before the next."""
    said = []
    for i in range(6):
        day = date(2024 + i // 4, 1 + 3 * (i % 4), 1)
        asked = consider(
            world.ledger, policy, MODEL, cause="c", kind="concept_drift", window=day, until=day, cadence=Cadence.QUARTER
        )
        said.append(asked.status)
        if asked.requested and asked.request is not None:
            close_request(world.ledger, asked.request, "challenger", version=2)
    return said


def asking(*kinds: str) -> Effect:
    """Which trainings are requested over windows with these verdicts, of which the first is refused."""

    def asked(policy: Policy, folder: Path) -> object:
        world, seen = test_trainings_due.begun(folder), 0
        test_trainings_due.of_thousand_rows(world)
        for month, kind in enumerate(kinds, 1):
            test_trainings_due.judge(world, f"2025-{month:02d}-01", kind)
            _, seen = test_trainings_due.look(world, policy, seen)
            if world.ledger.state().model(test_trainings_due.NAME).open_request is not None:
                test_trainings_due.trained(world, 2 + month)
        return test_trainings_due.requested(world)

    return asked


def on_the_ladder(world: World, policy: Policy) -> object:
    champion(world, policy)
    world.register(2, time=True)
    steps = []
    for window in ("2026-02-01", "2026-03-01", "2026-04-01"):
        step = climb(world.ledger.state().model(MODEL), policy, 2)
        steps.append((step.name, step.asked, step.share, step.to_sign))
        world.score(window, 2, canary_share=step.share or None)
    return steps


def with_tests(*checks: LadderCheck) -> Effect:
    """Where a challenger stands whose first window had these tests."""

    def climbed(world: World, policy: Policy) -> object:
        champion(world, policy)
        world.register(2, time=True)
        found = []
        for window in ("2026-02-01", "2026-03-01"):
            world.score(window, 2, canary_share=climb(world.ledger.state().model(MODEL), policy, 2).share or None)
            outcome = "failed" if any(c.outcome == "failed" for c in checks) and not found else "passed"
            event = LadderTested(
                window=date.fromisoformat(window), champion=1, canary_share=0.0, outcome=outcome,
                tests=checks, policy_digest=policy.digest,
            )  # fmt: skip
            world.ledger.append(event, model=MODEL, subject="2")
            step = climb(world.ledger.state().model(MODEL), policy, 2)
            found.append((step.name, step.reason))
        return found

    return in_a_world(climbed)


def step_signed_by(person: str) -> Effect:
    def try_it(world: World, policy: Policy) -> object:
        champion(world, policy)
        world.register(2, time=True)
        world.score("2026-02-01", 2)
        try:
            sign_step(world.ledger, policy, MODEL, 2, world.keys[person], "looks right")
        except NotAllowed as refused:
            return str(refused)
        return climb(world.ledger.state().model(MODEL), policy, 2).name

    return in_a_world(try_it)


def of_window(name: str, **changes: Any) -> Effect:
    """Outcome of a test of a challenger on the rows of a window."""
    rows = replace(test_ladder_tests.beside(0.9, 0.2), **changes)
    return lambda policy, _: next(c for c in ladder_tests.checks_of(rows, policy) if c.name == name).outcome


def in_ab(policy: Policy, _: Path) -> object:
    return ladder_tests.ab_window(test_ladder_tests.halves(0.7), policy).error


def on_probation(world: World, policy: Policy) -> object:
    champion(world, policy, 1, 2)
    verdict(world, severity="act", version=2)
    return opened(world, policy)


def suspending(world: World, policy: Policy) -> object:
    champion(world, policy)
    verdict(world)
    return opened(world, policy)


def expired(world: World, policy: Policy) -> object:
    champion(world, policy)
    reviewed = review_due(world.ledger.state().model(MODEL), policy)[0]
    world.clock.pass_days(400)
    return reviewed and reviewed.date(), opened(world, policy)


def closed_by(name: str) -> Callable[[World, Policy], object]:
    def act(world: World, policy: Policy) -> object:
        adopt(world.ledger, MODEL, policy, key=world.keys["risk"], rationale="as it is")
        incident = open_incident(world.ledger, MODEL, kind="data_quality", severity="act", summary="odd")
        return close(world.ledger, world.keys[name], policy.incidents, incident.id, "true", "looked at").state

    return act


def shown_again(world: World, policy: Policy) -> object:
    adopt(world.ledger, MODEL, policy, key=world.keys["risk"], rationale="as it is")
    facts = {"kind": "data_quality", "severity": "act", "summary": "odd"}
    incident = open_incident(world.ledger, MODEL, window="first", **facts)
    close(world.ledger, world.keys["validator"], policy.incidents, incident.id, "true", "looked at")
    return open_incident(world.ledger, MODEL, window="second", **facts).former


def promised(world: World, policy: Policy) -> object:
    """What the proof metrics say of a verdict, an alert and a retraining that took six days each."""
    world.ledger.append(promotion(), model=MODEL, subject="1")
    asked = consider(
        world.ledger, policy, MODEL, cause="c", kind="concept_drift", window=START.date(), until=START.date(),
        cadence=Cadence.QUARTER,
    )  # fmt: skip
    incident = open_incident(world.ledger, MODEL, kind="data_quality", severity="act", summary="odd")
    world.clock.pass_days(6)
    world.ledger.append(health_verdict("2025-12-01"), model=MODEL, subject="2025-12-01")
    acknowledge(world.ledger, world.keys["risk"], incident.id)
    if asked.request is not None:
        close_request(world.ledger, asked.request, "refused")
    found = ProofInputs(
        states=[world.ledger.state().model(MODEL)],
        snapshots=frozenset(),
        fleet_incidents=(),
        verdicts=world.ledger.of(HealthVerdict),
        unjudged={},
        levels={MODEL: policy.service_levels},
        coverage=None,
        cards=(),
    )
    return [(metric.name, metric.text) for metric in proof(found, Period(START, world.clock.now))]


def intervened(kind: str) -> Callable[[World, Policy], object]:
    def act(world: World, policy: Policy) -> object:
        champion(world, policy, 1, 2)
        risk, verify = world.keys["risk"], world.verify_artifact
        if kind == "resumption":
            interventions.suspend(world.ledger, world.registry, MODEL, risk, "odd")
        acts = {
            "suspension": lambda: interventions.suspend(world.ledger, world.registry, MODEL, risk, "odd"),
            "resumption": lambda: interventions.resume(world.ledger, world.registry, MODEL, risk, "fine", verify),
            "rollback": lambda: interventions.rollback(world.ledger, world.registry, MODEL, risk, "odd", verify),
            "retirement": lambda: interventions.retire(world.ledger, world.registry, MODEL, risk, "over"),
        }
        acts[kind]()
        now = world.ledger.state().model(MODEL)
        return now.champion.status, now.champion.deciding, len(now.waiting)

    return act


def assessed(world: World, policy: Policy) -> object:
    """Whether an assessment counts that was signed under the lower tier's policy, which lets everybody, for 200 days."""
    free = {**policy.model_dump(), "assessment": {"roles": ["model-risk", "validator"], "max_days": 200}, "tier": "low"}
    declaration = declared(MODEL)
    assess(world.ledger, world.keys["validator"], Policy.model_validate(free), TIERING, declaration, answers("low"))
    content = declaration.model_dump(mode="json")
    return tier_standing(world.ledger.state().model(MODEL), policy, content, world.clock.now).problem


def adopted_next(world: World, policy: Policy) -> object:
    adopt(world.ledger, MODEL, policy, key=world.keys["risk"], rationale="as it is")
    following = Policy.model_validate({**policy.model_dump(), "validity_days": 30})
    return adoption(world.ledger.state().model(MODEL), following).roles


def answered(kind: str) -> Effect:
    """Actions that follow from one verdict."""
    changes = {"label_shift": {"odds": 1.2}, "concept_drift": {"flip": 0.3}}
    shown = {"data_quality": BROKEN, "covariate_shift": SHIFTED, "performance_loss": SHIFTED}

    def effect(policy: Policy, _: Path) -> object:
        found, drift = None, shown.get(kind, QUIET)
        if kind in changes:
            found = measure(reference_of("binary"), *loans(5000, 2, **changes[kind]), thresholds=policy.monitoring)
        elif kind == "performance_loss":
            found = alike_people(reference_of("binary"))
        response = {name: policy.actions(name) for name in type(policy.response).model_fields}
        return triage(drift, found, (), policy.monitoring, response).actions

    return effect


AT_ONCE = {"monitoring.persistence_k": 1}
NO_LADDER = {"release.shadow_windows": 0}
CANARY = {**NO_LADDER, "release.canary_windows": 1}
IN_AB = {**NO_LADDER, "release.takeover": "ab"}
AB_WINDOW = LadderCheck(name="ab", outcome="passed", reason="", value=0.0, error=0.005, rows=50)
SPEED = {"name": "speed", "reason": "as fast"}
APART_SCORES = test_ladder_tests.beside(0.9, 0.2).both.with_columns(challenger=pl.col("champion") / 10)
TWO_VALIDATORS = [{"role": "validator", "count": 2}]
SUSPENDS = {"response.concept_drift": ["suspend"]}
REST: dict[str, Scenario] = {
    "tier": Scenario("high", "low", file_of_a_tier),
    "approvals": Scenario(
        [],
        TWO_VALIDATORS,
        in_a_world(lambda w, p: (w.decide(p), approval_state(w.ledger.state(), p, MODEL, 1).missing)[1]),
    ),
    "exceptions.roles": Scenario(["model-risk"], [], in_a_world(excepted)),
    "exceptions.max_days": Scenario(90, 30, in_a_world(excepted)),
    "findings.blocks_from": Scenario("high", "low", in_a_world(found_high)),
    "validation.required": Scenario(False, True, lambda policy, _: objections(None, policy, START)),
    "validation.rejection_term_days": Scenario(5, 300, in_a_world(after_rejection)),
    "retraining.mode": Scenario("automatic", "never", in_a_world(retrained)),
    "retraining.cooldown_windows": Scenario(0, 3, in_a_world(retrained)),
    "retraining.budget_per_year": Scenario(1, 100, in_a_world(retrained), {"retraining.cooldown_windows": 0}),
    "retraining.persistent_windows": Scenario(1, 3, asking("concept_drift", "concept_drift")),
    "retraining.every_months": Scenario(1, 6, asking("none", "none")),
    "retraining.validation_ends_days": Scenario(10, 400, asking("none")),
    "retraining.new_rows_share": Scenario(0.05, 0.5, asking("none", "none")),
    "retraining.refused_in_a_row": Scenario(
        1, 5, asking("concept_drift", "concept_drift", "concept_drift"), {"retraining.cooldown_windows": 0}
    ),
    "release.shadow_windows": Scenario(0, 2, in_a_world(on_the_ladder)),
    "release.canary_windows": Scenario(0, 2, in_a_world(on_the_ladder), NO_LADDER),
    "release.canary_shares": Scenario([0.1], [0.1, 0.3], in_a_world(on_the_ladder), CANARY),
    "release.takeover": Scenario("canary", "ab", in_a_world(on_the_ladder), CANARY),
    "release.shadow_rows": Scenario(0, 150, in_a_world(on_the_ladder)),
    "release.canary_rows": Scenario(0, 15, in_a_world(on_the_ladder), CANARY),
    "release.ab_windows": Scenario(1, 2, with_tests(AB_WINDOW), IN_AB),
    "release.ab_rows": Scenario(0, 60, with_tests(AB_WINDOW), {**IN_AB, "release.ab_windows": 1}),
    "release.ab_share": Scenario(0.5, 0.3, in_a_world(on_the_ladder), IN_AB),
    "release.ab_test": Scenario("paired", "two_sample", in_ab, IN_AB),
    "release.ab_confidence": Scenario(0.9, 0.99, with_tests(AB_WINDOW), {**IN_AB, "release.ab_windows": 1}),
    "release.ab_power": Scenario(
        0.8, 0.95, with_tests(AB_WINDOW.model_copy(update={"error": 0.1})), {**IN_AB, "release.ab_windows": 1}
    ),
    "release.advance": Scenario("automatic", "signed", in_a_world(on_the_ladder)),
    "release.advance_roles": Scenario(
        ["model-risk"], ["validator"], step_signed_by("validator"), {"release.advance": "signed"}
    ),
    "release.must_pass": Scenario([], ["performance"], with_tests(LadderCheck(**SPEED, outcome="passed"))),
    "release.failed_test": Scenario("send_back", "repeat", with_tests(LadderCheck(**SPEED, outcome="failed"))),
    "release.min_agreement": Scenario(0.5, 0.99, of_window("agreement")),
    "release.max_score_distance": Scenario(None, 0.01, of_window("score_distance", both=APART_SCORES)),
    "release.max_failed_share": Scenario(0.0, 0.5, of_window("failed_rows", failed=10)),
    "release.max_time_ratio": Scenario(None, 2.0, of_window("speed", time_ratio=3.0)),
    "release.probation_windows": Scenario(0, 3, in_a_world(on_probation), {**NO_LADDER, "release.rollback_on": "act"}),
    "release.rollback_on": Scenario(
        "never", "act", in_a_world(on_probation), {**NO_LADDER, "release.probation_windows": 3}
    ),
    "response.data_quality": Scenario(["incident"], ["quarantine_window"], answered("data_quality"), AT_ONCE),
    "response.covariate_shift": Scenario(["watch"], ["incident"], answered("covariate_shift"), AT_ONCE),
    "response.label_shift": Scenario(["incident"], ["retrain"], answered("label_shift"), AT_ONCE),
    "response.concept_drift": Scenario(["incident"], ["retrain"], answered("concept_drift"), AT_ONCE),
    "response.performance_loss": Scenario(["incident"], ["retrain"], answered("performance_loss"), AT_ONCE),
    "response.validation_expired": Scenario(
        ["incident"], ["suspend"], in_a_world(expired), {"automation.suspend": True}
    ),
    "automation.suspend": Scenario(False, True, in_a_world(suspending), SUSPENDS),
    "automation.rollback": Scenario(
        False,
        True,
        in_a_world(on_probation),
        {**NO_LADDER, "release.rollback_on": "act", "release.probation_windows": 3},
    ),
    "incidents.close_roles": Scenario(["validator"], ["model-risk"], in_a_world(closed_by("risk"))),
    "incidents.authors_may_close": Scenario(
        False, True, in_a_world(closed_by("developer")), {"incidents.close_roles": ["developer"]}
    ),
    "incidents.reopen_days": Scenario(0, 90, in_a_world(shown_again)),
    "service_levels.judged_days": Scenario(5, 7, in_a_world(promised)),
    "service_levels.acknowledged_hours": Scenario(24.0, 200.0, in_a_world(promised)),
    "service_levels.retrained_days": Scenario(5, 7, in_a_world(promised)),
    **{
        f"interventions.{kind}": Scenario([], TWO_VALIDATORS, in_a_world(intervened(kind)), NO_LADDER)
        for kind in ("suspension", "resumption", "rollback", "retirement")
    },
    "validity_days": Scenario(100, 500, in_a_world(expired)),
    "assessment.roles": Scenario(["validator"], ["model-risk"], in_a_world(assessed)),
    "assessment.max_days": Scenario(200, 30, in_a_world(assessed)),
    "adoption.roles": Scenario([], ["model-risk"], in_a_world(adopted_next)),
}
COMMON = (
    ("required", True, False, "failed", False),
    ("not_measurable_blocks", True, False, "not_measurable", False),
    ("absence_blocks", True, False, "not_measurable", True),
)
"""Fields of every gate: name, two values, a decision, and whether there was nothing to measure."""


def of_every_gate() -> dict[str, Scenario]:
    """Whether a decision keeps a version from promotion, for each gate that has the field."""
    return {
        f"gates.{gate}.{name}": Scenario(one, other, blocked(gate, decided, absent), {f"gates.{gate}.required": True})
        for gate in DEFAULT.gates.names
        for name, one, other, decided, absent in COMMON
        if name in type(DEFAULT.gates.rule(gate)).model_fields
    }


STATISTIC_RULES = {
    f"monitoring.statistics.{name}.{step}": Scenario(None, 0.2, stated(name))
    for name in STATISTICS
    for step in ("watch", "act")
}
SCENARIOS: dict[str, Scenario] = {
    **of_every_gate(),
    **STATISTIC_RULES,
    **GATES,
    **{f"monitoring.{name}": scenario for name, scenario in MONITORING.items()},
    **REST,
}
