"""The ladder a challenger climbs beside a champion: seen in shadow, then deciding a few rows, before it decides all.

In a shadow window the challenger scores every row and decides none; in a canary window it decides the share of rows
that `scoring.routing` picks. A model's first champion has nobody to stand beside and climbs nothing. Where a version
stands is read from the records `window_scored` and `ladder_tested` alone, by the graph and by `promote` alike, so that no path
leads past it. A challenger that failed a test beside the champion that decides is sent back: it is not promoted.
"""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from mlops_assets.governance.approval_subject import registered
from mlops_assets.ledger.state.model import ModelState


class LadderPolicy(Protocol):
    """What the ladder needs of a policy."""

    @property
    def release(self) -> Any:
        """`shadow_windows`, `canary_windows` and `canary_share`."""
        ...


@dataclass(frozen=True)
class Step:
    """Where a challenger stands.

    Attributes:
        name: `none` (no ladder), `shadow`, `canary`, `top`, or `sent_back`.
        seen: windows of this step that it has behind it.
        asked: windows of this step that the policy asks for.
        reason: in a sentence.
        share: of rows that it is to decide in the next window: above 0 as a canary only.
    """

    name: Literal["none", "shadow", "canary", "top", "sent_back"]
    seen: int
    asked: int
    reason: str
    share: float = 0.0

    @property
    def waiting(self) -> bool:
        """Whether it must be seen in more windows before it may be promoted, or failed in one."""
        return self.name in ("shadow", "canary", "sent_back")

    @property
    def objection(self) -> str:
        """Why it may not be promoted; empty where nothing is against it."""
        if self.name == "sent_back":
            return f"it was sent back: {self.reason}"
        return f"it is on the ladder ({self.name}): {self.reason}" if self.waiting else ""


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
    shadow, canary = policy.release.shadow_windows, policy.release.canary_windows
    if model.champion.champion is None:
        return Step("none", 0, 0, "no ladder: there is no champion to stand beside")
    if not (shadow or canary):
        return Step("none", 0, 0, "no ladder: the policy requires none")
    if has_windows is None:
        has_windows = registered(model, version).event.has_windows
    if not has_windows:
        return Step("none", 0, 0, "no ladder: the model's data has no windows to be seen in")
    tests = model.version(version).ladder_tests
    failed = [test for test in tests.values() if test.outcome == "failed" and test.champion == model.champion.champion]
    if failed:
        first = min(failed, key=lambda test: test.window)
        text = f"it failed beside version {first.champion} in the window {first.window} (record {first.seq}): {first.reason}"
        return Step("sent_back", len(failed), 0, text)
    seen = model.version(version).scored_beside
    # A window that it decided in part is also one in which it scored every row.
    if len(seen) < shadow:
        text = f"scored {len(seen)} of {shadow} windows in shadow"
        return Step("shadow", len(seen), shadow, f"{text}; it decides nothing until then")
    tried = sorted(window for window, share in seen.items() if share > 0)
    if len(tried) < canary:
        share = float(policy.release.canary_share)
        text = f"decided {share:.0%} of the rows of {len(tried)} of {canary} windows as a canary"
        return Step("canary", len(tried), canary, text, share)
    parts = [f"scored {len(seen)} windows ({', '.join(sorted(seen))})"] if seen else []
    parts += [f"of which as a canary {', '.join(tried)}"] if tried else []
    return Step("top", len(seen), shadow + canary, ", ".join(parts))
