"""Who scores a window: the champion, and the challenger beside it where one is waiting.

Belongs here: the versions that score, and which of them decides a row. Which rows there are is in `predictions.py`.
"""

import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl

from mlops_assets.datasets.windows import Window
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.reasons.reason_codes import ReasonLimits, reason_codes
from mlops_assets.evaluation.reasons.reference import Reference, build_reference
from mlops_assets.gates import reason_codes as reason_codes_gate
from mlops_assets.governance.approval_subject import registered
from mlops_assets.governance.approvals import approval_state
from mlops_assets.governance.decisions import standing
from mlops_assets.governance.exceptions import lifts
from mlops_assets.inspection.recorded_tables import REFERENCE_SAMPLE, kept_with_version
from mlops_assets.inspection.versions import load_verified
from mlops_assets.ledger.events.versions import VersionRegistered
from mlops_assets.ledger.ledger import Ledger, Record
from mlops_assets.ledger.state.champion import Pause
from mlops_assets.pipeline.stages.versions import declared_with
from mlops_assets.platform import Platform
from mlops_assets.policy.policy import Policy
from mlops_assets.release.ladder import climb
from mlops_assets.release.segments import paused_rows
from mlops_assets.scoring.batch import score
from mlops_assets.scoring.routing import route

REASONS = "reasons"
MOST_ERRORS = 64
"""So often may a challenger raise while the rows are looked for that it cannot score; then all that is left of a part counts."""
BESIDE = ("version", "score", "prediction")
"""What is kept of the version that scored a row and did not decide it, as `beside_version` and so on."""


@dataclass(frozen=True)
class Scorer:
    """One version that scores.

    Attributes:
        platform: with its artifact and its reference rows.
        registration: of the version.
        declaration: under which the version was made.
    """

    platform: Platform
    registration: Record
    declaration: Declaration

    @property
    def version(self) -> int:
        """Number of the version."""
        return int(self.registration.subject)

    @cached_property
    def pipeline(self) -> Any:
        """The fitted pipeline, verified before it is read."""
        return load_verified(self.platform, self.declaration, self.version)

    def score(self, rows: pl.DataFrame, window: Window | None) -> pl.DataFrame:
        """One prediction a row, in the order of the rows, with the version that made it; no window: a model without time."""
        threshold, key = self.registration.event.threshold, window.key if window is not None else None
        scored = score(self.pipeline, rows, self.declaration, threshold, version=self.version, window=key)
        return scored.with_columns(pl.lit(self.version, dtype=pl.Int64).alias("version"))

    def reasons(self, rows: pl.DataFrame) -> dict[Any, str]:
        """Reason codes of the adverse decisions among the rows as JSON text, by identifier."""
        if rows.height == 0:
            return {}
        threshold = self.registration.event.threshold
        limits = ReasonLimits(
            least=self.platform.policy_of(self.declaration).gates.of(reason_codes_gate.GATE).min_share
        )
        found = reason_codes(self.pipeline, rows, self.declaration, threshold, self._typical_rows, limits)
        texts = (json.dumps([dict(reason) for reason in one], default=float) for one in found[REASONS].to_list())
        return dict(zip(found["id"].to_list(), texts, strict=True))

    @cached_property
    def _typical_rows(self) -> Reference:
        """What rows are compared with: the sample of training rows that was kept with the version."""
        sample = kept_with_version(self.platform, self.declaration.name, REFERENCE_SAMPLE, self.version)
        return build_reference(self.pipeline, sample, self.declaration, self.registration.event.threshold)


@dataclass
class Beside:
    """What a challenger did with the rows of a window; it grows piece by piece.

    Attributes:
        decided: rows that it decided.
        failed: rows that it could not score.
        error: the first error that it raised; empty without one.
        seconds, champion_seconds: time that the two versions took for the same rows.
    """

    decided: int = 0
    failed: int = 0
    error: str = ""
    seconds: float = 0.0
    champion_seconds: float = 0.0
    _errors: int = 0

    @property
    def time_ratio(self) -> float | None:
        """Time of the challenger as a multiple of the champion's; None where nothing was scored."""
        return self.seconds / self.champion_seconds if self.champion_seconds > 0 and self.seconds > 0 else None

    def score(self, scorer: Scorer, rows: pl.DataFrame, window: Window | None, given: pl.DataFrame) -> pl.DataFrame:
        """The challenger's predictions; without a score where it raises or gives none, as that is no reason for the champion
        to stop.

        Args:
            scorer: the challenger.
            rows: to score.
            window: of the rows.
            given: the champion's predictions of the same rows, whose form a row without a score has.
        """
        try:
            return scorer.score(rows, window)
        except Exception as error:  # a model may raise whatever it likes
            self._errors += 1
            self.error = self.error or f"{type(error).__name__}: {error}"
        if rows.height <= 1 or self._errors >= MOST_ERRORS:
            nothing = [pl.lit(None, dtype=given.schema[name]).alias(name) for name in ("score", "prediction")]
            return given.with_columns(*nothing, pl.lit(scorer.version, dtype=pl.Int64).alias("version"))
        half = rows.height // 2
        parts = [self.score(scorer, rows[a:b], window, given[a:b]) for a, b in ((0, half), (half, rows.height))]
        return pl.concat(parts, how="diagonal")


@dataclass(frozen=True)
class WindowScorers:
    """The versions that score a window, loaded once for all of its pieces.

    Attributes:
        champion: decides every row that the challenger does not.
        challenger: scores every row beside the champion; None where no version is waiting.
        share: of the rows that the challenger decides as a canary.
        with_reasons: whether adverse decisions get reason codes.
        note: why a version that is waiting does not score; empty otherwise.
        beside: what the challenger did with the rows so far.
        pauses: segments about whose rows nothing is decided.
        paused: rows of them so far, by number of the record that paused them.
    """

    champion: Scorer
    challenger: Scorer | None = None
    share: float = 0.0
    with_reasons: bool = False
    note: str = ""
    beside: Beside = field(default_factory=Beside)
    pauses: tuple[Pause, ...] = ()
    paused: Counter[int] = field(default_factory=Counter)

    @property
    def read(self) -> Declaration:
        """The champion's declaration, with the challenger's further inputs as plain columns, so that both find theirs."""
        declaration = self.champion.declaration
        if self.challenger is None:
            return declaration
        further = {
            name: feature.model_copy(update={"minimum": None, "maximum": None, "allowed": None, "nullable": True})
            for name, feature in self.challenger.declaration.features.items()
            if name not in declaration.features
        }
        return (
            declaration.model_copy(update={"features": {**declaration.features, **further}}) if further else declaration
        )

    def score(self, rows: pl.DataFrame, window: Window) -> pl.DataFrame:
        """One prediction a row, in the order of the rows: id, version, score, decision and reasons are those of the version
        that decided the row. A row of a paused segment has no score and no decision: what the champion makes of it is beside it.
        The columns are the same whoever scores."""
        paused = paused_rows(rows, self.pauses)
        self.paused.update(paused.drop_nulls().to_list())
        if self.challenger is None:
            predicted = undecided(self.champion.score(rows, window), None)
            return self._explained(rows, without_decision(predicted, paused))
        # Loaded and verified before time is taken; an artifact that is not the registered one is no row it cannot score.
        _ = self.champion.pipeline, self.challenger.pipeline
        start = time.perf_counter()
        champion = self.champion.score(rows, window)
        between = time.perf_counter()
        challenger = self.beside.score(self.challenger, rows, window, champion)
        self.beside.seconds += time.perf_counter() - between
        self.beside.champion_seconds += between - start
        scored = (challenger["score"].is_not_null() & challenger["score"].is_finite()).fill_null(False)
        identifier = self.champion.declaration.id
        chosen = route(rows[identifier], self.share, f"{self.champion.declaration.name}/{self.challenger.version}")
        chosen &= scored & paused.is_null()
        self.beside.failed += int((~scored).sum())
        self.beside.decided += int(chosen.sum())
        return self._explained(rows, without_decision(decided(champion, challenger, chosen), paused))

    def _explained(self, rows: pl.DataFrame, predicted: pl.DataFrame) -> pl.DataFrame:
        """The predictions with the reason codes of adverse decisions, each of the version that decided the row."""
        if not self.with_reasons:
            return predicted.with_columns(pl.lit(None, dtype=pl.String).alias(REASONS))
        texts: dict[Any, str] = {}
        for scorer in (self.champion, self.challenger):
            if scorer is not None:
                mine = (predicted["version"] == scorer.version) & predicted["prediction"].is_not_null()
                texts |= scorer.reasons(rows.filter(mine))
        column = pl.Series(REASONS, [texts.get(one) for one in predicted["id"].to_list()], dtype=pl.String)
        return predicted.with_columns(column)


def load_scorers(
    platform: Platform, policy: Policy, declaration: Declaration, version: int, columns: list[str]
) -> WindowScorers:
    """The versions that score a window of the model.

    Args:
        platform: of the project.
        policy: effective policy of the model.
        declaration: the model as its YAML declares it now.
        version: the champion.
        columns: of the source; a challenger that needs others does not score.
    """
    ledger, model = platform.ledger, declaration.name
    registration = registered(ledger.state().model(model), version)
    champion = Scorer(platform, registration, declared_with(registration, declaration))
    explained = declaration.task is Task.BINARY and declaration.external is None
    with_reasons = policy.gates.of(reason_codes_gate.GATE).required and explained
    pauses = tuple(ledger.state().model(model).pauses.values())
    waiting = waiting_challenger(ledger, model, version)
    if waiting is None:
        return WindowScorers(champion, with_reasons=with_reasons, pauses=pauses)
    step = climb(ledger.state().model(model), policy, waiting.subject)
    if step.name == "sent_back":
        # It becomes no champion any more, and each further window would tell people of the same failure.
        note = f"version {waiting.subject} does not score beside the champion: {step.reason}"
        return WindowScorers(champion, with_reasons=with_reasons, pauses=pauses, note=note)
    challenger = Scorer(platform, waiting, declared_with(waiting, declaration))
    if problem := cannot_score(champion.declaration, challenger.declaration, columns):
        note = f"version {challenger.version} does not score beside the champion: {problem}"
        return WindowScorers(champion, with_reasons=with_reasons, note=note, pauses=pauses)
    share = canary_share(ledger, policy, waiting)
    return WindowScorers(champion, challenger, share, with_reasons, pauses=pauses)


def waiting_challenger(ledger: Ledger, model: str, champion: int) -> Record[VersionRegistered] | None:
    """The newest version after the champion that was never promoted: it scores in shadow."""
    state = ledger.state().model(model)
    found = [v.registration for v in state.versions.values() if v.registration is not None]
    later = [r for r in found if int(r.subject) > champion and int(r.subject) not in state.champion.promoted]
    return later[-1] if later else None


def cannot_score(champion: Declaration, challenger: Declaration, columns: list[str]) -> str:
    """Why a version of another declaration cannot score the champion's rows; empty where it can."""
    if (challenger.id, challenger.event_time, challenger.task) != (champion.id, champion.event_time, champion.task):
        return "its declaration has another identifier, event time or task"
    missing = [name for name in challenger.features if name not in columns]
    return f"the source has no column {', '.join(missing)}" if missing else ""


def canary_share(ledger: Ledger, policy: Policy, challenger: Record) -> float:
    """Share of the window's rows that the challenger decides: none before its gates passed and people approved it."""
    model, version = challenger.model, challenger.subject
    state, now = ledger.state(), ledger.clock()
    known = state.model(model)
    gates = standing(known, version, policy, lifts=lifts(known, policy, version, now), at=now)
    if not gates.ok or approval_state(state, policy, model, version).status != "approved":
        return 0.0
    return climb(known, policy, version).share


def undecided(decided_rows: pl.DataFrame, other: pl.DataFrame | None) -> pl.DataFrame:
    """Predictions with what another version made of the same rows beside them; nulls where no other version scored."""
    if other is not None:
        return decided_rows.with_columns(other[name].alias(f"beside_{name}") for name in BESIDE)
    types: Mapping[str, Any] = {
        "version": pl.Int64,
        "score": pl.Float64,
        "prediction": decided_rows.schema["prediction"],
    }
    return decided_rows.with_columns(pl.lit(None, dtype=types[name]).alias(f"beside_{name}") for name in BESIDE)


def decided(champion: pl.DataFrame, challenger: pl.DataFrame, chosen: pl.Series) -> pl.DataFrame:
    """For each row the prediction of the version that decides it, with the other version's beside it.

    Args:
        champion: its predictions.
        challenger: its predictions of the same rows, in the same order.
        chosen: the rows that the challenger decides.
    """
    first, second = undecided(champion, challenger), undecided(challenger, champion)
    # A class that only one of the two knows has probability 0 for the other.
    first, second = (
        one.with_columns(pl.lit(0.0).alias(name) for name in other.columns if name not in one.columns)
        for one, other in ((first, second), (second, first))
    )
    return pl.DataFrame([second[name].zip_with(chosen, first[name]) for name in first.columns])


def without_decision(predicted: pl.DataFrame, paused: pl.Series) -> pl.DataFrame:
    """Predictions with the column `paused`; rows that have a number in it lose score and decision, and have the champion's beside.

    Args:
        predicted: with the other version's predictions beside them; those of rows that are paused are the champion's.
        paused: for each row the number of the record that paused it, or null.
    """
    gone = paused.is_not_null()
    found = predicted.with_columns(paused.alias("paused"))
    if not gone.any():
        return found
    kept = [pl.when(gone).then(name).otherwise(f"beside_{name}").alias(f"beside_{name}") for name in BESIDE]
    dropped = [name for name in predicted.columns if name in ("score", "prediction") or name.startswith("score:")]
    return found.with_columns(*kept, *(pl.when(~gone).then(name).alias(name) for name in dropped))


def scores_of_version(predictions: pl.DataFrame, version: int) -> pl.Series:
    """One version's score of every row, whether or not it decided the row."""
    decided_it = (pl.col("version") == version) & pl.col("score").is_not_null()
    own = pl.when(decided_it).then("score").otherwise("beside_score")
    return predictions.select(own.alias("score")).to_series()
