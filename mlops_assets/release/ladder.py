"""The ladder a challenger climbs beside a champion: seen in shadow, then deciding a few rows, before it decides all.

In a shadow window the challenger scores every row and decides none; in a canary window it decides the share of rows
that `scoring.routing` picks. A model's first champion has nobody to stand beside and climbs nothing. Where a version
stands is read from `window_scored` records alone, by the graph and by `promote` alike, so that no path leads past it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from mlops_assets.governance.approval_subject import registered
from mlops_assets.ledger.ledger import Ledger, Record
from mlops_assets.release.champion import champion_state

WINDOW_SCORED = "window_scored"
"""A record of scoring: `rows`, `challenger` (version beside the champion, or None), and in a canary window
`canary_share` (of the rows that the challenger decided)."""


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
        name: `none` (no ladder), `shadow`, `canary`, or `top`.
        seen: windows of this step that it has behind it.
        asked: windows of this step that the policy asks for.
        reason: in a sentence.
        share: of rows that it is to decide in the next window: above 0 as a canary only.
    """

    name: Literal["none", "shadow", "canary", "top"]
    seen: int
    asked: int
    reason: str
    share: float = 0.0

    @property
    def waiting(self) -> bool:
        """Whether it must be seen in more windows before it may be promoted."""
        return self.name in ("shadow", "canary")


def climb(
    ledger: Ledger,
    policy: LadderPolicy,
    model: str,
    version: int | str,
    *,
    has_windows: bool | None = None,
    known_at: datetime | None = None,
) -> Step:
    """Where `version` stands, from the windows that were scored since it was registered.

    Args:
        ledger: to read.
        policy: the model's effective policy.
        model: name.
        version: in the registry.
        has_windows: whether the model's data has time; default: as the declaration in its registration says.
        known_at: as the ledger stood then.

    Raises:
        NotRegistered: `has_windows` is to be looked up, and there is no such version.
    """
    shadow, canary = policy.release.shadow_windows, policy.release.canary_windows
    if champion_state(ledger, model, known_at).champion is None:
        return Step("none", 0, 0, "no ladder: there is no champion to stand beside")
    if not (shadow or canary):
        return Step("none", 0, 0, "no ladder: the policy asks for none")
    if has_windows is None:
        has_windows = declares_windows(registered(ledger, model, version, known_at))
    if not has_windows:
        return Step("none", 0, 0, "no ladder: the model's data has no windows to be seen in")
    seen = _seen(ledger, model, int(version), known_at)
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


def declares_windows(registration: Record) -> bool:
    """Whether a version's declared data has time; one registered without a declaration has to climb to be safe."""
    declaration = registration.body.get("declaration")
    return declaration is None or declaration.get("event_time") is not None


def _seen(ledger: Ledger, model: str, version: int, known_at: datetime | None) -> dict[str, float]:
    """Windows with rows in which the version stood beside the champion, and the largest share it decided of each."""
    found: dict[str, float] = {}
    for record in ledger.records(kind=WINDOW_SCORED, model=model, known_at=known_at):
        body = record.body
        if body.get("challenger") == version and body.get("rows", 0) > 0:
            found[record.subject] = max(found.get(record.subject, 0.0), float(body.get("canary_share") or 0.0))
    return found
