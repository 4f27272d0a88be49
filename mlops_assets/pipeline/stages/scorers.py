"""Who scores a window: the champion, and the challenger that waits beside it.

Belongs here: the versions that score, and what they say of a piece of the window's rows. Which rows those are is in
`production.py`.
"""

import json
from functools import cached_property
from typing import Any

import polars as pl

from mlops_assets.datasets.windows import Window
from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.contributions import Reference, build_reference
from mlops_assets.evaluation.explanations import reason_codes
from mlops_assets.governance.approval_subject import registered
from mlops_assets.governance.approvals import state as approval_state
from mlops_assets.governance.decisions import standing
from mlops_assets.governance.exceptions import lifts
from mlops_assets.ledger.ledger import Record
from mlops_assets.pipeline.context import StageContext
from mlops_assets.pipeline.stages.models import load_version
from mlops_assets.release.champion import champion_state
from mlops_assets.release.ladder import climb
from mlops_assets.scoring.batch import score
from mlops_assets.scoring.routing import route

REASONS = "reasons"


class Scorers:
    """The versions that score a window, loaded once for all of its pieces.

    Attributes:
        challenger: version beside the champion; None where none waits.
        share: of the rows that the challenger decides as a canary.
    """

    def __init__(self, context: StageContext, version: int) -> None:
        self.context = context
        self._champion = registered(context.platform.ledger, context.model, version)
        self._pipeline = load_version(context, version)
        self._beside = waiting_challenger(context, version)
        self.challenger = int(self._beside.subject) if self._beside else None
        self.share = canary_share(context, self._beside)

    def said(self, rows: pl.DataFrame, window: Window) -> pl.DataFrame:
        """One prediction a row, in the order of the rows, with the same columns whoever scores."""
        champion = self._with_reasons(rows, self._scored(self._champion, self._pipeline, rows, window))
        if self._beside is None:
            return alone(champion)
        other = self._scored(self._beside, self._other_pipeline, rows, window)
        chosen = route(rows[self.context.declaration.id], self.share, f"{self.context.model}/{self.challenger}")
        return beside(champion, other, chosen)

    @cached_property
    def _other_pipeline(self) -> Any:
        assert self.challenger is not None
        return load_version(self.context, self.challenger)

    def _scored(self, registration: Record, pipeline: Any, rows: pl.DataFrame, window: Window) -> pl.DataFrame:
        version, threshold = int(registration.subject), registration.body["threshold"]
        said = score(pipeline, rows, self.context.declaration, threshold, version=version, window=window.key)
        return said.with_columns(
            pl.lit(version, dtype=pl.Int64).alias("version"), pl.lit(version, dtype=pl.Int64).alias("decided_by")
        )

    def _with_reasons(self, rows: pl.DataFrame, said: pl.DataFrame) -> pl.DataFrame:
        """The predictions with the reason codes of adverse decisions as JSON text, where the policy asks for them."""
        declaration = self.context.declaration
        wanted = self.context.policy.gates.reason_codes.required and declaration.task is Task.BINARY
        if not wanted or rows.height == 0:
            return said.with_columns(pl.lit(None, dtype=pl.String).alias(REASONS))
        threshold = self._champion.body["threshold"]
        given = reason_codes(self._pipeline, rows, declaration, threshold, self._typical)
        texts = pl.DataFrame(
            {
                declaration.id: given[declaration.id],
                REASONS: [
                    json.dumps([dict(r) for r in reasons], default=float) for reasons in given[REASONS].to_list()
                ],
            },
            schema_overrides={REASONS: pl.String},
        )
        return said.join(texts, on=declaration.id, how="left", maintain_order="left")

    @cached_property
    def _typical(self) -> Reference:
        """What rows are compared with: the sample of training rows that was kept with the version."""
        context, champion = self.context, self._champion
        sample = context.platform.lake.read(context.table("reference_sample"), window=f"v{champion.subject}").drop(
            "window"
        )
        return build_reference(self._pipeline, sample, context.declaration, champion.body["threshold"])


def waiting_challenger(context: StageContext, champion: int) -> Record | None:
    """The newest version after the champion that was never promoted: it is seen in shadow."""
    promoted = champion_state(context.platform.ledger, context.model).promoted
    found = context.platform.ledger.records(kind="version_registered", model=context.model)
    later = [r for r in found if int(r.subject) > champion and int(r.subject) not in promoted]
    # A version of another declaration may ask for columns that this one does not read.
    later = [r for r in later if r.body["declaration_digest"] == context.declaration.digest]
    return later[-1] if later else None


def canary_share(context: StageContext, challenger: Record | None) -> float:
    """Share of the window's rows that the challenger decides: none before gates and people have agreed to it."""
    if challenger is None:
        return 0.0
    ledger, policy, version = context.platform.ledger, context.policy, challenger.subject
    gates = standing(ledger, context.model, version, policy, lifts=lifts(ledger, policy, context.model, version))
    if not gates.ok or approval_state(ledger, policy, context.model, version).status != "approved":
        return 0.0
    return climb(ledger, policy, context.model, version).share


def alone(said: pl.DataFrame) -> pl.DataFrame:
    """The same columns where no challenger stands by, so that every window has one schema."""
    return said.with_columns(
        pl.lit(None, dtype=pl.Int64).alias("challenger_version"),
        pl.lit(None, dtype=pl.Float64).alias("challenger_score"),
        pl.lit(None, dtype=said.schema["prediction"]).alias("challenger_prediction"),
    )


def beside(said: pl.DataFrame, other: pl.DataFrame, chosen: pl.Series) -> pl.DataFrame:
    """The champion's predictions with the challenger's, and for each row which of the two decided it."""
    return said.with_columns(
        other["version"].alias("challenger_version"),
        other["score"].alias("challenger_score"),
        other["prediction"].alias("challenger_prediction"),
        pl.when(chosen).then(other["version"]).otherwise(pl.col("version")).alias("decided_by"),
    ).select(alone(said).columns)
