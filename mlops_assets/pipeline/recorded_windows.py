"""What a model and its windows left behind, as drills and calibration take it. Nothing here writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.datasets.snapshot import split
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.features.frame import target_vector
from mlops_assets.governance.approval_subject import registered
from mlops_assets.inspection.recorded_tables import REFERENCE_SAMPLE, kept_with_version
from mlops_assets.inspection.versions import load_verified
from mlops_assets.ledger.events.windows import HealthVerdict, WindowScored
from mlops_assets.ledger.ledger import Record
from mlops_assets.monitoring.drills.drills import run_drills, with_scores
from mlops_assets.monitoring.drills.injected_faults import OUTCOME, as_it_is
from mlops_assets.monitoring.outcomes.reference_performance import ReferencePerformance
from mlops_assets.monitoring.thresholds.alarm_calibration import RecordedWindow
from mlops_assets.monitoring.thresholds.alarm_statistics import input_statistics, outcome_statistics
from mlops_assets.monitoring.thresholds.resampled_windows import HeldOut
from mlops_assets.monitoring.window_results import DRIFT, PERFORMANCE
from mlops_assets.pipeline.context import StageError
from mlops_assets.pipeline.stages.data import snapshot_rows
from mlops_assets.pipeline.stages.matured_outcomes import targets
from mlops_assets.pipeline.stages.outcomes import TABLE as OUTCOMES
from mlops_assets.pipeline.stages.predictions import SCORED_ROWS
from mlops_assets.pipeline.stages.versions import classes_of, scored_rows
from mlops_assets.pipeline.training_results import EXPLANATIONS, REFERENCE_PERFORMANCE, REFERENCE_PROFILE
from mlops_assets.platform import Platform
from mlops_assets.release.champion import champion_state
from mlops_assets.response.alarm_precision import JudgedWindow, judged_windows
from mlops_assets.response.incidents import alarms
from mlops_assets.statistics.profile import Profile
from mlops_assets.stores.results import ResultError, VersionResults

LOOKED_AT = 8
"""Latest windows among which those to drill are chosen."""
MOST_ROWS = 20_000
"""Of held-out rows that stand in for a window."""


@dataclass(frozen=True)
class Champion:
    """The version that decides, with what monitoring knows of it."""

    platform: Platform
    registration: Record
    declaration: Declaration

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.declaration.name

    @cached_property
    def profile(self) -> Profile:
        """Reference of inputs and score."""
        found = self._results.read(REFERENCE_PROFILE)
        target = self.declaration.target.column
        return Profile(found.rows, {name: c for name, c in found.columns.items() if name != target})

    @cached_property
    def importance(self) -> dict[str, float]:
        """Share of all importance by feature."""
        return self._results.read(EXPLANATIONS).shares

    @cached_property
    def reference_performance(self) -> ReferencePerformance:
        """Performance on held-out rows."""
        return self._results.read(REFERENCE_PERFORMANCE)

    @cached_property
    def pipeline(self) -> Any:
        """The fitted pipeline, verified before it is read."""
        return load_verified(self.platform, self.declaration, int(self.registration.subject))

    @cached_property
    def training_rows(self) -> pl.DataFrame:
        """The snapshot it was trained from."""
        snapshot = self.platform.ledger.get(self.registration.event.snapshot_record)
        assert snapshot is not None
        return snapshot_rows(self.platform, snapshot)

    @cached_property
    def reference_sample(self) -> pl.DataFrame:
        """Training rows that were kept with the version, for what counts cannot tell."""
        return kept_with_version(self.platform, self.model, REFERENCE_SAMPLE, self.registration.subject)

    def score(self, rows: pl.DataFrame) -> np.ndarray:
        """Scores of rows; of several classes, one column each."""
        return scored_rows(self.pipeline, rows, self.declaration)

    def held_out(self) -> HeldOut:
        """Rows that it was not fitted on, with its scores."""
        rows = split(self.training_rows, self.declaration).holdout
        return HeldOut(
            y=target_vector(rows, self.declaration),
            score=scored_rows(self.pipeline, rows, self.declaration),
            task=self.declaration.task,
            classes=tuple(classes_of(self.pipeline, self.declaration) or ()),
        )

    @property
    def _results(self) -> VersionResults:
        return self.platform.version_results(self.registration.event.run_id)


def champion_of(platform: Platform, model: str) -> Champion:
    """The model's champion, as it was declared when it was registered.

    Raises:
        StageError: it has none.
        ProjectError: no such model.
    """
    platform.project.declaration(model)
    now = champion_state(platform.ledger, model)
    if now.champion is None:
        raise StageError(f"{model} has no champion yet, so there is no reference to compare with")
    registration = registered(platform.ledger.state().model(model), now.champion)
    return Champion(platform, registration, Declaration.model_validate(registration.event.declaration))


def windows_to_drill(champion: Champion, most: int) -> tuple[list[pl.DataFrame], str]:
    """Rows to drill copies of: inputs, the champion's score, and `outcome` (0 or 1, a label, a number) where those are known.

    They are the latest scored windows. Those whose outcomes are known are taken first, because more can be seen in them,
    and of those such in which nothing is seen as they are: a fault in a window that alarms by itself shows nothing. Where
    there is no such window, rows that the champion was not fitted on stand in for one. Every window has outcomes, or none
    does.

    Returns:
        The windows, in order of time, and what is to be known of them; empty where they are what was asked for.
    """
    lake, model = champion.platform.lake, champion.model
    kept = f"{model}/{SCORED_ROWS}"
    names = lake.windows(kept) if lake.exists(kept) else []
    known = [w for w in names if _has_outcomes(champion, w)]
    frames = [_window(champion, w, with_outcome=bool(known)) for w in (known or names)[-LOOKED_AT:]]
    quiet = [frame for frame in frames if is_quiet(champion, frame)]
    if quiet:
        return quiet[-most:], ""
    held_out = _held_out_window(champion)
    if is_quiet(champion, held_out) or not frames:
        found = "every window looked at alarms by itself" if frames else "no window has been scored yet"
        return [held_out], f"{found}: rows held out when the champion was made stand in for one"
    return frames[-most:], "every window looked at alarms by itself, so what is caught here says little"


def _held_out_window(champion: Champion) -> pl.DataFrame:
    declaration = champion.declaration
    rows = split(champion.training_rows, declaration).holdout
    if rows.height > MOST_ROWS:
        rows = rows.sample(MOST_ROWS, seed=declaration.training.seed % 2**32)
    frame = with_scores(
        rows.select(list(declaration.features)), champion.score(rows), champion.reference_performance.classes
    )
    return frame.with_columns(pl.Series(OUTCOME, target_vector(rows, declaration).tolist()))


def is_quiet(champion: Champion, window: pl.DataFrame) -> bool:
    """Whether nothing is seen in a window as it is."""
    rules = champion.platform.policy(champion.model).monitoring
    (found,) = run_drills(
        [window], champion.profile, rules, drills=[as_it_is()], importance=champion.importance,
        reference=champion.reference_performance, reference_sample=champion.reference_sample,
    )  # fmt: skip
    return found.caught == 0


def _window(champion: Champion, window: str, *, with_outcome: bool) -> pl.DataFrame:
    lake, model, identifier = champion.platform.lake, champion.model, champion.declaration.id
    rows = lake.read(f"{model}/{SCORED_ROWS}", window=window)
    # An earlier version may have scored the window: what is drilled is the one that decides now.
    frame = rows.select(identifier, *champion.declaration.features)
    frame = with_scores(frame, champion.score(frame), champion.reference_performance.classes)
    if with_outcome:
        known = _outcomes(champion, window)
        frame = frame.join(known.rename({"id": identifier}), on=identifier, how="inner", maintain_order="left")
    return frame.drop(identifier, strict=False)


def _has_outcomes(champion: Champion, window: str) -> bool:
    fewest = champion.platform.policy(champion.model).monitoring.minimum_rows
    return _outcomes(champion, window).height >= fewest


def _outcomes(champion: Champion, window: str) -> pl.DataFrame:
    """Last recorded outcome of each row: `id`, `outcome`."""
    lake, table = champion.platform.lake, f"{champion.model}/{OUTCOMES}"
    if not lake.exists(table) or window not in lake.windows(table):
        return pl.DataFrame(schema={"id": pl.String, OUTCOME: pl.Null})
    recorded = lake.read(table, window=window).sort("recorded_at", maintain_order=True)
    last = recorded.group_by("id", maintain_order=True).last()
    return last.select("id", pl.Series(OUTCOME, targets(last["outcome"], champion.declaration).tolist()))


def judged(platform: Platform, model: str) -> list[JudgedWindow]:
    """The last verdict on each of the model's windows, with what came of its alarm."""
    state = platform.ledger.state()
    return judged_windows(state.model(model).window_verdicts.values(), alarms(state, model))


def recorded_history(platform: Platform, model: str) -> tuple[list[RecordedWindow], list[str]]:
    """Every judged window with its statistics, from the evidence that its verdict names.

    Returns:
        The windows in order of time, and a line for each that cannot be replayed: evidence that is gone, or is not what
        the verdict was made on.
    """
    last = {r.subject: r.event for r in platform.ledger.of(HealthVerdict, model=model)}
    alpha = platform.policy(model).monitoring.alpha
    windows: list[RecordedWindow] = []
    left_out: list[str] = []
    for one in judged(platform, model):
        recorded, results = last[one.window].evidence, platform.window_results(model, one.window)
        try:
            drift = results.read(DRIFT, recorded[DRIFT.name]).verdict
            performance = results.read(PERFORMANCE, recorded[PERFORMANCE.name]).performance
        except (ResultError, KeyError) as error:
            left_out.append(f"window {one.window} cannot be replayed: {error}")
            continue
        values = {**input_statistics(drift, alpha), **outcome_statistics(performance, alpha)}
        windows.append(RecordedWindow(one.window, one.severity, one.kind, one.disposition, values, one.held))
    return windows, left_out


def usual_rows(platform: Platform, model: str) -> int | None:
    """Median number of rows of the model's scored windows; None where there are none."""
    rows: Sequence[int] = [r.event.rows for r in platform.ledger.of(WindowScored, model=model)]
    return int(np.median(rows)) if rows else None
