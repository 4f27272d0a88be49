"""Tests of a challenger on the rows of a window that it scored beside the champion.

What is tested: performance where outcomes have matured, by a paired comparison, and agreement of the decisions. The result is a
record that `release.ladder` reads. Not here: whether a version may be promoted.
"""

import numpy as np
import polars as pl

from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.comparison import compare
from mlops_assets.gates import performance as performance_gate
from mlops_assets.ledger.canonical import digest
from mlops_assets.ledger.events.windows import LadderCheck, LadderTested
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.pipeline.stages.matured_outcomes import Matured
from mlops_assets.pipeline.stages.predictions import PREDICTIONS
from mlops_assets.pipeline.stages.scored_window import ScoredWindow
from mlops_assets.policy.policy import Policy
from mlops_assets.statistics.intervals import wilson_interval
from mlops_assets.stores.lake import Lake

CONFIDENCE = 0.99
"""A challenger that is no worse is sent back by one window in two hundred."""


def try_challenger(ledger: Ledger, lake: Lake, scored: ScoredWindow, known: Matured, policy: Policy) -> str:
    """Test the challenger of a window and record the result; the same again writes nothing.

    Args:
        ledger: to write to.
        lake: with the predictions.
        scored: the window.
        known: the champion's predictions with their outcomes.
        policy: the model's.

    Returns:
        The outcome in a sentence; empty where no challenger scored.
    """
    event = scored.record.event
    if event.challenger is None:
        return ""
    rows = lake.scan(f"{scored.model}/{PREDICTIONS}", window=scored.window.key)
    mine = (pl.col("version") == scored.version) & (pl.col("beside_version") == event.challenger)
    both = rows.filter(mine).select("id", "prediction", "beside_score", "beside_prediction").collect(engine="streaming")
    tests = checks_of(both, known, scored, policy)
    outcomes = {test.outcome for test in tests}
    found = LadderTested(
        window=scored.window.start,
        champion=scored.version,
        canary_share=float(event.canary_share or 0.0),
        outcome="failed" if "failed" in outcomes else "passed" if "passed" in outcomes else "not_measurable",
        tests=tests,
        policy_digest=policy.digest,
    )
    version = str(event.challenger)
    before = ledger.state().model(scored.model).version(version).ladder_tests.get(scored.window.key)
    last = ledger.get(before.seq) if before is not None else None
    if last is None or last.event != found:
        key = f"ladder/{scored.model}/{version}/{scored.window.key}/{digest(found.body())}/after/{last.seq if last else 0}"
        ledger.append(found, model=scored.model, subject=version, key=key)
    why = "; ".join(f"{test.name}: {test.reason}" for test in tests)
    return f"version {version} beside version {scored.version}: {found.outcome.replace('_', ' ')} ({why})"


def checks_of(both: pl.DataFrame, known: Matured, scored: ScoredWindow, policy: Policy) -> tuple[LadderCheck, ...]:
    """Performance and agreement on rows that both versions scored and the champion decided.

    Args:
        both: with `id`, `prediction`, `beside_score` and `beside_prediction`.
        known: the champion's predictions with their outcomes.
        scored: the window.
        policy: with the limits.
    """
    task = scored.declaration.task
    agreed = () if task is Task.REGRESSION else (agreement(both, policy.release.min_agreement),)
    return (_performance(both, known, scored, policy), *agreed)


def _performance(both: pl.DataFrame, known: Matured, scored: ScoredWindow, policy: Policy) -> LadderCheck:
    def none(reason: str) -> LadderCheck:
        return LadderCheck(name="performance", outcome="not_measurable", reason=reason)

    if scored.declaration.task is Task.MULTICLASS:
        return none("of several classes only the likeliest one's probability is kept beside the champion's")
    margin = policy.gates.of(performance_gate.GATE).champion_margin
    beside = pl.DataFrame({"id": known.ids}).join(both, on="id", how="left", maintain_order="left")["beside_score"]
    there = (beside.is_not_null() & beside.is_finite()).fill_null(False).to_numpy()
    if there.sum() < policy.monitoring.minimum_rows:
        return none(f"{int(there.sum())} rows with outcomes, fewer than {policy.monitoring.minimum_rows}")
    pair = compare(
        known.truth[there],
        known.given[there],
        np.asarray(beside.to_numpy(), dtype=float)[there],
        scored.declaration.task,
        margin,
        confidence=CONFIDENCE,
        seed=scored.declaration.training.seed,
    )
    outcome = {"better": "passed", "no_worse": "passed", "worse": "failed"}.get(pair.verdict, "not_measurable")
    return LadderCheck.model_validate(
        {
            "name": "performance", "outcome": outcome, "reason": pair.reason,
            "value": pair.difference, "low": pair.low, "high": pair.high, "limit": -margin,
        }
    )  # fmt: skip


def agreement(both: pl.DataFrame, least: float) -> LadderCheck:
    """On how many rows the challenger decides as the champion does.

    Args:
        both: with `prediction` and `beside_prediction`.
        least: share that it must be.
    """
    rows = both.filter(pl.col("beside_prediction").is_not_null())
    if not rows.height:
        return LadderCheck(name="agreement", outcome="not_measurable", reason="no row was decided by both")
    same = int((rows["prediction"] == rows["beside_prediction"]).sum())
    interval = wilson_interval(same, rows.height, CONFIDENCE)
    share = same / rows.height
    failed = interval.high < least
    said = f"{share:.1%} of {rows.height} rows are decided alike"
    return LadderCheck(
        name="agreement",
        outcome="failed" if failed else "passed",
        reason=f"{said}, at least {least:.1%} must be" if failed else said,
        value=share,
        low=interval.low,
        high=interval.high,
        limit=least,
    )
