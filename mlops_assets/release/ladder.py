"""The ladder a challenger climbs beside a champion: it must be seen in shadow before it may decide.

In a shadow window the challenger scores every row and decides none. A model's first champion has nobody to stand
beside and climbs nothing.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from mlops_assets.governance.ledger import Ledger
from mlops_assets.release.champion import reign

WINDOW_SCORED = "window_scored"


class LadderPolicy(Protocol):
    """What the ladder needs of a policy."""

    @property
    def release(self) -> Any:
        """`shadow_windows` and `canary_windows`."""
        ...


@dataclass(frozen=True)
class Step:
    """Where a challenger stands.

    Attributes:
        name: `none` (no ladder), `shadow`, or `top`.
        seen: windows in which it has scored in shadow.
        asked: windows that the policy asks for.
        reason: in a sentence.
    """

    name: str
    seen: int
    asked: int
    reason: str

    @property
    def waiting(self) -> bool:
        """Whether it must be seen in more windows before it may be promoted."""
        return self.name == "shadow"


def climb(ledger: Ledger, policy: LadderPolicy, model: str, version: int, *, has_windows: bool) -> Step:
    """Where `version` stands, from the windows that were scored since it was registered."""
    asked = policy.release.shadow_windows
    if reign(ledger, model).champion is None or not has_windows or not asked:
        return Step("none", 0, 0, "no ladder: there is no champion beside whom to climb, or no window to be seen in")
    windows = {
        r.subject for r in ledger.records(kind=WINDOW_SCORED, model=model) if r.body.get("challenger") == version
    }
    if len(windows) < asked:
        text = f"scored {len(windows)} of {asked} windows in shadow"
        return Step("shadow", len(windows), asked, f"{text}; it decides nothing until then")
    return Step("top", len(windows), asked, f"scored {len(windows)} windows in shadow ({', '.join(sorted(windows))})")
