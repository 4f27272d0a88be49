"""The ladder a challenger climbs beside a champion: seen in shadow, then deciding a few rows, before it decides all.

In a shadow window the challenger scores every row and decides none; in a canary or A/B window it decides the share of rows that
`scoring.routing` picks. A model's first champion has nobody to stand beside and climbs nothing. A step has a least number of
windows and rows, tests that must have passed in it, and where the policy says so a signature. Where a version stands is read
from the records `window_scored`, `ladder_tested` and `ladder_step_signed` alone, by the graph and by `promote` alike, so that
no path leads past it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from mlops_assets.governance.approval_subject import registered
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.state.versions import Beside, LadderTest, VersionState
from mlops_assets.policy.release_rules import LadderStep, Release
from mlops_assets.release.ab_test import AbResult, ab_result


class LadderPolicy(Protocol):
    """What the ladder needs of a policy."""

    @property
    def release(self) -> Release:
        """The steps and their tests."""
        ...

    @property
    def champion_margin(self) -> float:
        """Loss against the champion that still counts as no worse."""
        ...


@dataclass(frozen=True)
class Step:
    """Where a challenger stands.

    Attributes:
        name: `none` (no ladder), `shadow`, `canary`, `ab`, `top`, or `sent_back`.
        seen: windows of this step that it has behind it.
        asked: windows of this step that the policy asks for.
        reason: in a sentence.
        share: of rows that it is to decide in the next window: above 0 as a canary and in an A/B test only.
        label: of the step, as a signature names it; empty where it stands on none.
        to_sign: whether nothing but a signature is missing for the next step.
        ab: what the A/B test says, where there is one and its windows are full.
    """

    name: Literal["none", "shadow", "canary", "ab", "top", "sent_back"]
    seen: int
    asked: int
    reason: str
    share: float = 0.0
    label: str = ""
    to_sign: bool = False
    ab: AbResult | None = None

    @property
    def waiting(self) -> bool:
        """Whether it must be seen in more windows before it may be promoted, or failed in one."""
        return self.name in ("shadow", "canary", "ab", "sent_back")

    @property
    def objection(self) -> str:
        """Why it may not be promoted; empty where nothing is against it."""
        if self.name == "sent_back":
            return f"it was sent back: {self.reason}"
        return f"it is on the ladder ({self.name}): {self.reason}" if self.waiting else ""


@dataclass(frozen=True)
class _Climb:
    """What counts of a challenger's records: windows and tests beside the present champion, in order of window."""

    release: Release
    margin: float
    champion: int
    windows: Mapping[str, Beside]
    tests: Mapping[str, LadderTest]
    version: VersionState
    since: int
    again: str


def climb(
    model: ModelState,
    policy: LadderPolicy,
    version: int | str,
    *,
    has_windows: bool | None = None,
) -> Step:
    """Where `version` stands, from the windows that were scored since it was registered.

    Args:
        model: its state.
        policy: the model's effective policy.
        version: in the registry.
        has_windows: whether the model's data has time; default: as the declaration in its registration says.

    Raises:
        NotRegistered: `has_windows` is to be looked up, and there is no such version.
    """
    champion, release = model.champion.champion, policy.release
    if champion is None:
        return Step("none", 0, 0, "no ladder: there is no champion to stand beside")
    if not release.ladder:
        return Step("none", 0, 0, "no ladder: the policy requires none")
    if has_windows is None:
        has_windows = registered(model, version).event.has_windows
    if not has_windows:
        return Step("none", 0, 0, "no ladder: the model's data has no windows to be seen in")
    known = model.version(version)
    tests = {w: t for w, t in sorted(known.ladder_tests.items()) if t.champion == champion}
    failed = [test for test in tests.values() if test.outcome == "failed"]
    if failed and release.failed_test == "send_back":
        return _sent_back(len(failed), failed[0].window, failed[0].champion, failed[0].seq, failed[0].reason)
    return _steps(_after(known, policy, champion, tests, failed[-1] if failed else None))


def _sent_back(failed: int, window: str, champion: int, seq: int, reason: str) -> Step:
    text = f"it failed beside version {champion} in the window {window} (record {seq}): {reason}"
    return Step("sent_back", failed, 0, text)


def _after(
    known: VersionState, policy: LadderPolicy, champion: int, tests: Mapping[str, LadderTest], failed: LadderTest | None
) -> _Climb:
    """What counts after the last failed test, with which the challenger began again."""
    last, since = (failed.window, failed.seq) if failed is not None else ("", 0)
    again = f"; it began again after the window {last}, where it failed: {failed.reason}" if failed is not None else ""
    return _Climb(
        policy.release,
        policy.champion_margin,
        champion,
        {w: b for w, b in sorted(known.scored_beside.items()) if w > last},
        {w: t for w, t in tests.items() if w > last},
        known,
        since,
        again,
    )


def _steps(at: _Climb) -> Step:
    for step in at.release.ladder:
        # A window in which it decided more is also one of every step before.
        seen = {w: b for w, b in at.windows.items() if b.share >= step.share - 1e-9}
        here = _at(step, seen, at)
        if here is not None:
            return here
    windows = at.windows
    parts = [f"scored {len(windows)} windows ({', '.join(windows)})"] if windows else []
    tried = [w for w, b in windows.items() if b.share > 0]
    how = "in an A/B test" if at.release.takeover == "ab" else "as a canary"
    parts += [f"of which {how} {', '.join(tried)}"] if tried else []
    asked = sum(step.windows for step in at.release.ladder)
    return Step("top", len(windows), asked, ", ".join(parts) + at.again)


def _at(step: LadderStep, seen: Mapping[str, Beside], at: _Climb) -> Step | None:
    """Why the challenger still stands on a step; None where it has passed it."""

    def stands(reason: str, to_sign: bool = False, ab: AbResult | None = None) -> Step:
        text = f"{reason}{at.again}"
        return Step(step.name, len(seen), step.windows, text, step.share, step.label, to_sign, ab)

    if not _enough(step, seen):
        return stands(_seen(step, seen))
    result: AbResult | None = None
    if step.name == "ab":
        result = ab_result([at.tests[w] for w in seen if w in at.tests], at.release, at.margin)
        if result.outcome == "waiting":
            return stands(f"{_seen(step, seen)}; {result.reason}")
        if result.outcome == "failed":
            last = at.tests[result.window]
            if at.release.failed_test == "send_back":
                return _sent_back(1, last.window, last.champion, last.seq, result.reason)
            return _steps(_after(at.version, _Rules(at.release, at.margin), at.champion, at.tests, last))
    lacking = [name for name in at.release.must_pass if not _passed(name, seen, at.tests)]
    if lacking:
        return stands(
            f"{_seen(step, seen)}; not passed in any of them: {', '.join(lacking).replace('_', ' ')}", ab=result
        )
    if at.release.advance == "signed" and not _signed(step, seen, at):
        roles = " or ".join(at.release.advance_roles)
        return stands(f"{_seen(step, seen)}; that it passed waits for a signature as {roles}", True, result)
    return None


@dataclass(frozen=True)
class _Rules:
    """The part of a policy that the ladder reads."""

    release: Release
    champion_margin: float


def _enough(step: LadderStep, seen: Mapping[str, Beside]) -> bool:
    return len(seen) >= step.windows and _rows(step, seen) >= step.rows


def _rows(step: LadderStep, seen: Mapping[str, Beside]) -> int:
    return sum(one.rows if step.name == "shadow" else one.decided for one in seen.values())


def _seen(step: LadderStep, seen: Mapping[str, Beside]) -> str:
    rows = f" and {_rows(step, seen)} of {step.rows} rows" if step.rows else ""
    if step.name == "shadow":
        return f"scored {len(seen)} of {step.windows} windows{rows} in shadow; it decides nothing until then"
    what = "as a canary" if step.name == "canary" else "in the A/B test"
    return f"decided {step.share:.0%} of the rows of {len(seen)} of {step.windows} windows{rows} {what}"


def _passed(name: str, seen: Mapping[str, Beside], tests: Mapping[str, LadderTest]) -> bool:
    found = (tests[window].check(name) for window in seen if window in tests)
    return any(check is not None and check.outcome == "passed" for check in found)


def _signed(step: LadderStep, seen: Mapping[str, Beside], at: _Climb) -> bool:
    """Whether somebody who may has signed for the step, when it was full."""
    for given in at.version.steps_signed:
        about = (given.step, given.champion) == (step.label, at.champion) and given.role in at.release.advance_roles
        if about and given.seq > at.since and _enough(step, {w: b for w, b in seen.items() if b.seq < given.seq}):
            return True
    return False
