"""A challenger is tested on the rows of a window that it scored beside the champion, and the result is recorded.

Here: which rows, and the record, which `release.ladder` reads. The tests are in `ladder_tests.py`. Not here: whether a version
may be promoted.
"""

from typing import Any

import polars as pl

from mlops_assets.declaration.terms import Task
from mlops_assets.governance.approval_subject import registered
from mlops_assets.governance.exceptions import lifts
from mlops_assets.ledger.canonical import digest
from mlops_assets.ledger.events.windows import LadderTested
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.monitoring.outcomes.estimate import PerformanceEstimate, estimate_performance
from mlops_assets.pipeline.context import StageContext
from mlops_assets.pipeline.stages.ladder_tests import CONFIDENCE, Arm, BesideRows, checks_of
from mlops_assets.pipeline.stages.matured_outcomes import KEY, Matured, group_columns, labels_of, matured
from mlops_assets.pipeline.stages.predictions import PREDICTIONS
from mlops_assets.pipeline.stages.scored_window import ScoredWindow
from mlops_assets.pipeline.stages.versions import declared_with
from mlops_assets.pipeline.training_results import REFERENCE_PERFORMANCE, REFERENCE_PROFILE
from mlops_assets.stores.lake import Lake


def try_challenger(
    context: StageContext, scored: ScoredWindow, known: Matured, moved: str | None = None
) -> tuple[str, list[dict[str, Any]] | None]:
    """Test the challenger of a window and record the result; the same again writes nothing.

    Args:
        context: of the stage.
        scored: the window.
        known: the champion's predictions with their outcomes.
        moved: why inputs are out of what versions are calibrated on, where they are.

    Returns:
        The outcome in a sentence, and a row for each test; empty where no challenger scored.
    """
    event, ledger, policy = scored.record.event, context.platform.ledger, context.policy
    if event.challenger is None:
        return "", None
    tests = checks_of(beside_rows(context, scored, known, moved), policy)
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
    _record(ledger, scored, version, found)
    text = f"version {version} beside version {scored.version}: {found.outcome.replace('_', ' ')}"
    shown = [{"test": t.name, "outcome": t.outcome, "value": t.value, "limit": t.limit, "why": t.reason} for t in tests]
    return text, shown


def _record(ledger: Ledger, scored: ScoredWindow, version: str, found: LadderTested) -> None:
    before = ledger.state().model(scored.model).version(version).ladder_tests.get(scored.window.key)
    last = ledger.get(before.seq) if before is not None else None
    if last is None or last.event != found:
        key = f"ladder/{scored.model}/{version}/{scored.window.key}/{digest(found.body())}/after/{last.seq if last else 0}"
        ledger.append(found, model=scored.model, subject=version, key=key)


def beside_rows(context: StageContext, scored: ScoredWindow, known: Matured, moved: str | None) -> BesideRows:
    """What the tests of a window's challenger look at."""
    platform, event = context.platform, scored.record.event
    ledger, lake = platform.ledger, platform.lake
    model, challenger = ledger.state().model(scored.model), int(event.challenger or 0)
    both = scored_by_both(lake, scored, challenger)
    return BesideRows(
        declaration=scored.declaration,
        both=both,
        known=Arm(known.ids, known.truth, known.given),
        tried=_tried(context, scored, challenger)
        if scored.canary is not None and context.policy.release.takeover == "ab"
        else None,
        groups=_groups(lake, scored, both) if scored.declaration.protected else None,
        failed=event.challenger_failed,
        time_ratio=event.challenger_time,
        estimate=_estimate(context, scored, challenger, both, moved),
        excepted=frozenset(lifts(model, context.policy, challenger, ledger.clock())),
    )


def scored_by_both(lake: Lake, scored: ScoredWindow, challenger: int) -> pl.DataFrame:
    """Score and decision of both versions for every row of the window, whichever decided it."""
    own = pl.col("version") == scored.version
    other = pl.col("beside_version") == scored.version
    named = {"score": "", "prediction": "_decision"}
    rows = lake.scan(f"{scored.model}/{PREDICTIONS}", window=scored.window.key)
    mine = (own & (pl.col("beside_version") == challenger)) | (other & (pl.col("version") == challenger))
    columns = [pl.when(own).then(c).otherwise(f"beside_{c}").alias(f"champion{n}") for c, n in named.items()]
    columns += [pl.when(own).then(f"beside_{c}").otherwise(c).alias(f"challenger{n}") for c, n in named.items()]
    return rows.filter(mine).select("id", *columns).collect(engine="streaming")


def _tried(context: StageContext, scored: ScoredWindow, challenger: int) -> Arm:
    """Rows with known outcomes that the challenger decided."""
    platform = context.platform
    registration = registered(platform.ledger.state().model(scored.model), challenger)
    made_under = declared_with(registration, context.declaration)
    made = platform.version_results(registration.event.run_id)
    reference, labels = made.read(REFERENCE_PERFORMANCE), labels_of(made.read(REFERENCE_PROFILE), made_under)
    known = matured(platform.lake, scored, challenger, made_under, reference.classes, labels)
    return Arm(known.ids, known.truth, known.given)


def _groups(lake: Lake, scored: ScoredWindow, both: pl.DataFrame) -> pl.DataFrame:
    """Protected columns of the rows, in their order."""
    found = group_columns(lake, scored.declaration, scored.window.key).collect()
    return both.select(pl.col("id").alias(KEY)).join(found, on=KEY, how="left", maintain_order="left").drop(KEY)


def _estimate(
    context: StageContext, scored: ScoredWindow, challenger: int, both: pl.DataFrame, moved: str | None
) -> PerformanceEstimate | str:
    """What the challenger's scores let expect of it."""
    if scored.declaration.task is Task.MULTICLASS:
        return "of several classes only the likeliest one's probability is kept beside the champion's"
    platform = context.platform
    registration = registered(platform.ledger.state().model(scored.model), challenger)
    reference = platform.version_results(registration.event.run_id).read(REFERENCE_PERFORMANCE)
    thresholds = context.policy.monitoring
    return estimate_performance(
        reference,
        both.filter(pl.col("challenger").is_finite())["challenger"].to_numpy(),
        inputs_moved=moved,
        most_score_shift=thresholds.estimate_score_shift,
        minimum_rows=thresholds.minimum_rows,
        confidence=CONFIDENCE,
        seed=scored.declaration.training.seed,
    )
