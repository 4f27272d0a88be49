"""What a policy says about a challenger's way to champion: the steps of the release ladder, their tests, and the time after.

Only data is here. Where a version stands is computed in `release.ladder`, the tests are made in
`pipeline.stages.beside_champion`, and probation is `release.oversight`'s.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from mlops_assets.ledger.people import NO_JUDGES
from mlops_assets.strictness import HigherFloat, HigherInt, LowerFloat, LowerLimit, Part, Stricter

Takeover = Literal["canary", "blue_green", "ab"]
LadderTestName = Literal["performance", "estimate", "agreement", "score_distance", "fairness", "failed_rows", "speed"]
"""Tests that every window beside the champion makes; those that cannot be made there say why."""


@dataclass(frozen=True)
class LadderStep:
    """One step that a challenger climbs.

    Attributes:
        name: `shadow`, `canary` or `ab`.
        share: of rows that the challenger decides; 0 in shadow.
        windows: least number of windows.
        rows: least number of rows: scored in shadow, decided by the challenger in the others.
    """

    name: Literal["shadow", "canary", "ab"]
    share: float
    windows: int
    rows: int

    @property
    def label(self) -> str:
        """Its name among the steps of one ladder, such as `canary 10%`: what a signature is about."""
        return f"canary {self.share:.6g}" if self.name == "canary" else self.name


class Release(Part):
    """The ladder a challenger climbs beside a champion; a model's first champion climbs nothing."""

    takeover: Annotated[Takeover, Stricter("fixed")] = "canary"
    """What follows the shadow: `canary` (decides a growing share), `blue_green` (all rows at once, whatever the
    canary's fields say; the former champion stays ready, and probation or one signed act brings it back), or `ab` (decides a fixed share until a test of both decides)."""
    shadow_windows: HigherInt = Field(default=1, ge=0)
    """Least number of windows in which the challenger scores every row and decides none."""
    shadow_rows: HigherInt = Field(default=0, ge=0)
    """Least number of rows that it scores in them."""
    canary_windows: HigherInt = Field(default=0, ge=0)
    """Least number of windows at each of `canary_shares`; 0, with no rows either: no canary."""
    canary_rows: HigherInt = Field(default=0, ge=0)
    """Least number of rows that it decides at each of them."""
    canary_shares: Annotated[tuple[float, ...], Stricter("slower")] = (0.1,)
    """Shares of rows that the challenger decides as a canary, one after the other; each larger than the one before."""
    ab_windows: HigherInt = Field(default=2, ge=1)
    """Least number of windows of the A/B test, whose outcomes are known."""
    ab_rows: HigherInt = Field(default=0, ge=0)
    """Least number of rows with outcomes that the challenger decided in them."""
    ab_share: LowerFloat = Field(default=0.5, gt=0, lt=1)
    """Share of rows that the challenger decides in the A/B test."""
    ab_test: Annotated[Literal["paired", "two_sample"], Stricter("fixed")] = "paired"
    """`paired`: both scores of every row with an outcome; `two_sample`: each version on the rows that it decided."""
    ab_confidence: HigherFloat = Field(default=0.95, gt=0.5, lt=1)
    """Confidence, one-sided, with which the challenger must lose less than `gates.performance.champion_margin`."""
    ab_power: HigherFloat = Field(default=0.8, gt=0.5, lt=1)
    """Power at which the margin is stated with which an equal version passes the A/B test."""
    advance: Annotated[Literal["automatic", "signed"], Stricter("ordered", ("automatic", "signed"))] = "automatic"
    """`automatic`: a step that is passed is followed by the next one; `signed`: when one of `advance_roles` has signed."""
    advance_roles: Annotated[tuple[str, ...], Stricter("fewer")] = ("model-risk", "validator")
    """Roles of which a holder signs that a step is passed, never an author of the version."""
    must_pass: Annotated[tuple[LadderTestName, ...], Stricter("more")] = ()
    """Tests that must have passed in a window of each step; the others hold a challenger up only where they fail."""
    failed_test: Annotated[Literal["repeat", "send_back"], Stricter("ordered", ("repeat", "send_back"))] = "send_back"
    """`send_back`: a challenger that failed a test beside the champion is refused; `repeat`: it begins again in shadow."""
    min_agreement: HigherFloat = Field(default=0.0, ge=0, le=1)
    """Least share of rows on which it must decide as the champion does, with confidence of 99 %; 0: any."""
    max_score_distance: LowerLimit = Field(default=None, ge=0, le=1)
    """Largest Kolmogorov-Smirnov distance of both versions' scores of the same rows, with confidence of 99 %; null: any."""
    max_failed_share: LowerLimit = Field(default=0.01, ge=0, le=1)
    """Largest share of the rows scored by the champion that it fails to score; null: any."""
    max_time_ratio: LowerLimit = Field(default=None, gt=0)
    """Longest time it may take for a row, as a multiple of the champion's time for the same rows; null: any."""
    probation_windows: HigherInt = Field(default=1, ge=0)
    """First windows of a new champion beside a former one, in which `rollback_on` calls for a rollback."""
    rollback_on: Annotated[Literal["never", "critical", "act"], Stricter("ordered", ("never", "critical", "act"))] = (
        "critical"
    )
    """Severity of a window on probation from which on an incident asks a person to sign the rollback."""

    @model_validator(mode="after")
    def _shares_grow(self) -> Self:
        shares = self.canary_shares
        if not shares or not all(0 < share < 1 for share in shares) or list(shares) != sorted(set(shares)):
            found = ", ".join(f"{share:g}" for share in shares) or "none"
            raise ValueError(
                f"canary_shares: found {found}, expected shares between 0 and 1, each larger than the one before"
            )
        return self

    @model_validator(mode="after")
    def _people_advance(self) -> Self:
        if machines := sorted(set(NO_JUDGES) & set(self.advance_roles)):
            raise ValueError(f"advance_roles: found {', '.join(machines)}, expected roles of people who judge")
        if self.advance == "signed" and not self.advance_roles:
            raise ValueError("advance_roles: found none, expected a role, because `advance` is signed")
        return self

    @property
    def ladder(self) -> tuple[LadderStep, ...]:
        """The steps before champion, in order; steps without windows and rows are left out."""
        steps = [LadderStep("shadow", 0.0, self.shadow_windows, self.shadow_rows)]
        if self.takeover == "canary":
            steps += [LadderStep("canary", s, self.canary_windows, self.canary_rows) for s in self.canary_shares]
        if self.takeover == "ab":
            steps.append(LadderStep("ab", self.ab_share, self.ab_windows, self.ab_rows))
        return tuple(step for step in steps if step.windows or step.rows)

    def limits(self) -> dict[str, Any]:
        """Limits of the tests by the name of the test."""
        return {
            "agreement": self.min_agreement,
            "score_distance": self.max_score_distance,
            "failed_rows": self.max_failed_share,
            "speed": self.max_time_ratio,
        }
