"""What the demo prints as it goes: a line a step, and of windows only those where the state changes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlops_assets.governance.decisions import GateStanding
from mlops_assets.ledger.events.windows import HealthVerdict

SEVERITIES = ("none", "watch", "act", "critical", "not_measurable")
LONGEST_REASON = 170
"""Characters of a reason that the demo prints; the page and the ledger have all of it."""


@dataclass
class Told:
    """What was said of a model's windows: a line where the state changes, and a count of all.

    Attributes:
        counts: windows by severity.
        last: severity and kind of the last line.
    """

    counts: Counter[str] = field(default_factory=Counter)
    last: tuple[str, str] = ("none", "none")

    def line(self, window: str, verdict: HealthVerdict) -> str:
        """The line about a window; empty where it is as the window before."""
        self.counts[verdict.severity] += 1
        now = (verdict.severity, verdict.kind)
        if now == self.last:
            return ""
        self.last = now
        if verdict.severity == "none":
            return f"window {window}: nothing changed any more"
        kind = "" if verdict.kind == "none" else f" ({verdict.kind.replace('_', ' ')})"
        return f"window {window}: {verdict.severity.replace('_', ' ')}{kind}. {verdict.reasons[0]}"

    @property
    def summary(self) -> str:
        """How many windows had which severity."""
        return counted(self.counts, *SEVERITIES)


def counted(counts: Mapping[str, int], *order: str) -> str:
    """How many there are of each, in that order."""
    return ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in order if counts.get(name))


def gates_text(gates: Sequence[GateStanding]) -> str:
    """How many gates passed or could not measure, and the names of those that failed."""
    failed = [f"{g.gate} failed{'' if g.required else ' (not required)'}" for g in gates if g.state == "failed"]
    counts = Counter(gate.state for gate in gates if gate.state != "failed")
    return ", ".join([counted(counts, "passed", "excepted", "not_measurable", "not_applicable", "missing"), *failed])


def shortened(text: str, length: int = LONGEST_REASON) -> str:
    """The text on one line, cut between words where it is longer than `length`."""
    text = " ".join(text.split())
    return text if len(text) <= length else f"{text[:length].rsplit(' ', 1)[0].rstrip(',;:')} …"
