"""What must be so at the end of the soak, and all along: each a line with what was expected and what was found.

`outcome` is the end state that two runs of the same life must have in common, however often one of them was killed.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from mlops_assets.ledger.events.response import IncidentOpened
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.orchestration.watching import LAST_RECORD, WATCH_KEY
from mlops_assets.platform import Platform
from mlops_assets.response.incidents import incidents
from mlops_assets_tests.soak.bank import BAD_FEATURE, CORRUPT, IMPORTED, LATE, MODELS, TRAINED, VENDOR, Quarter

UPSTREAM = ("data_quality", "data_missing", "window_overdue")
"""Kinds of incidents about what was delivered."""
TICKS = 2
"""Looks of the sensor `watch` within which the pages show a new record."""


@dataclass(frozen=True)
class Line:
    """One expectation.

    Attributes:
        what: in words.
        expected: in words.
        found: what was found.
        met: whether that is what was expected.
    """

    what: str
    expected: str
    found: str
    met: bool

    def __str__(self) -> str:
        return f"{'ok  ' if self.met else 'NOT '} {self.what}: expected {self.expected}; found {self.found}"


@dataclass
class Pages:
    """How current the pages were: what they and the ledger held, whenever somebody looked.

    Attributes:
        page: the fleet page.
        heads: number of the last record, when it was first seen, in seconds of the machine.
        behind: how often the pages did not show the last record while the fleet had nothing left to do.
        looks: how often that was looked at.
    """

    page: Path
    heads: dict[int, float] = field(default_factory=dict)
    behind: list[str] = field(default_factory=list)
    looks: int = 0

    def saw(self, head: int, at: float) -> None:
        """The ledger's last record was seen."""
        self.heads.setdefault(head, at)

    def at_rest(self, head: int, day: date) -> None:
        """The fleet has nothing left to do: the page must show everything."""
        self.looks += 1
        found = re.search(r"<footer>([\d,\u202f ]+) ledger records", self.page.read_text(encoding="utf-8"))
        shown = int(re.sub(r"\D", "", found.group(1))) if found else 0
        if shown != head:
            self.behind.append(f"{day}: {shown} of {head} records")

    def ticks(self, instance: dg.DagsterInstance) -> dict[int, int]:
        """By record that was seen as the last one: looks of the sensor until the one that led to a page with it."""
        runs = {r.event_log_entry.run_id: r for r in _all(instance)}
        covers = {run: _last_record(found) for run, found in runs.items()}
        state = next(s for s in instance.all_instigator_state() if s.name == "watch")
        ticks = sorted(
            (t for t in instance.get_ticks(state.instigator_origin_id, state.selector_id)), key=lambda t: t.timestamp
        )
        counts = {}
        for head, at in self.heads.items():
            number = 0
            for tick in (t for t in ticks if t.timestamp > at):
                number += 1
                if any(covers.get(run, 0) >= head for run in tick.run_ids):
                    break
            else:
                continue
            shown = min((r.timestamp for run, r in runs.items() if covers[run] >= head), default=None)
            # A run that was started before took the record in while it ran.
            first = next((t.timestamp for t in ticks if t.timestamp > at), None)
            counts[head] = 0 if shown is not None and first is not None and shown < first else number
        return counts


def _all(instance: dg.DagsterInstance) -> Sequence[Any]:
    return instance.fetch_materializations(WATCH_KEY, limit=100_000).records


def _last_record(record: Any) -> int:
    value = record.asset_materialization.metadata[LAST_RECORD].value
    return value if isinstance(value, int) else 0


@dataclass
class Examined:
    """A life that has ended, ready to be looked at.

    Attributes:
        platform: its project.
        instance: its Dagster.
        quarters: it lived through.
        subjects: of the messages that arrived.
        texts: of the messages.
        pages: how current they were.
        mlops: runs a command and returns exit code and output.
        now: what the clock shows.
    """

    platform: Platform
    instance: dg.DagsterInstance
    quarters: Sequence[Quarter]
    subjects: Sequence[str]
    texts: Sequence[str]
    pages: Pages
    mlops: Callable[..., str]
    now: date

    def model(self, name: str) -> ModelState:
        """What is recorded about a model."""
        return self.platform.ledger.state().model(name)


def lines(life: Examined) -> Iterator[Line]:
    """Every expectation of the soak."""
    yield from verdicts(life)
    yield from retraining(life)
    yield from bad_challenger(life)
    yield from supplied(life)
    yield from upstream_faults(life)
    yield from predictions(life)
    yield from messages(life)
    yield from whole(life)
    yield from current(life)


def verdicts(life: Examined) -> Iterator[Line]:
    """Every window of every model has one."""
    expected = [q.start.isoformat() for q in life.quarters]
    for name in MODELS:
        model = life.model(name)
        judged = sorted(model.window_verdicts)
        unmeasured = [w for w in judged if model.window_verdicts[w].severity == "not_measurable"]
        found = f"{len(judged)}" + (f", not measurable: {', '.join(unmeasured)}" if unmeasured else "")
        yield Line(f"{name}: windows with a verdict", str(len(expected)), found, judged == expected and not unmeasured)


def retraining(life: Examined) -> Iterator[Line]:
    """Drift led to a version that climbed."""
    model = life.model(TRAINED)
    automatic = [r for r in model.requests.values() if r.record.event.automatic]
    found = ", ".join(f"{r.record.event.kind} in {r.record.event.window}" for r in automatic) or "none"
    yield Line("drift led to a retraining", "a request by policy", found, bool(automatic))
    climbed, said = [], []
    for number, version in model.versions.items():
        request = version.registration.event.request if version.registration else None
        if request is None or request not in {r.id for r in automatic}:
            continue
        shadow = [w for w, beside in version.scored_beside.items() if beside.share == 0]
        canary = [w for w, beside in version.scored_beside.items() if beside.share > 0]
        tests = [test.outcome for test in version.ladder_tests.values()]
        said.append(
            f"version {number}: shadow {', '.join(shadow) or 'never'}, canary {', '.join(canary) or 'never'}, "
            f"tests {', '.join(tests) or 'none'}, {len(version.promotions)} promotion"
        )
        if shadow and canary and version.promotions and "failed" not in tests and "passed" in tests:
            climbed.append(number)
    expected = "one that was shadow, then canary, passed the tests, and is champion"
    yield Line("the new version climbed", expected, "; ".join(said) or "no such version", bool(climbed))


def bad_challenger(life: Examined) -> Iterator[Line]:
    """The version with the feature that tells nothing any more was sent back."""
    model = life.model(TRAINED)
    bad = [
        (number, version)
        for number, version in model.versions.items()
        if version.registration and BAD_FEATURE in version.registration.event.declaration["features"]
    ]
    said = [
        f"version {number}: {', '.join(f'{w} {t.outcome}' for w, t in version.ladder_tests.items()) or 'no test'}, "
        f"{len(version.promotions)} promotions"
        for number, version in bad
    ]
    good = bool(bad) and all(
        not v.promotions and "failed" in {t.outcome for t in v.ladder_tests.values()} for _, v in bad
    )
    yield Line(
        "the bad challenger", "failed its test beside the champion, never promoted", "; ".join(said) or "none", good
    )


def supplied(life: Examined) -> Iterator[Line]:
    """Models that were not trained here were monitored all the time."""
    for name in (VENDOR, IMPORTED):
        model = life.model(name)
        scored = [s for s in model.scored.values() if s.rows]
        found = f"{len(scored)} windows scored by version {model.champion.champion}"
        yield Line(
            f"{name} was monitored throughout",
            f"{len(life.quarters)} windows",
            found,
            len(scored) == len(life.quarters),
        )


def upstream_faults(life: Examined) -> Iterator[Line]:
    """A delivery that came late, and one that could not be read, are one incident each, of all models that read them."""
    state = life.platform.ledger.state()
    known = [*state.fleet.incidents.values(), *(i for name in MODELS for i in state.model(name).incidents.values())]
    for what, number in (("came late", LATE), ("could not be read", CORRUPT)):
        if number >= len(life.quarters):
            continue
        window = life.quarters[number].start.isoformat()
        about = [i for i in known if i.window == window and i.kind in UPSTREAM and not i.merged_into]
        found = "; ".join(f"{i.id} ({i.kind}): {', '.join(i.models) or i.summary[:90]}" for i in about) or "none"
        met = len(about) == 1 and all(name in i.models or name in i.summary for i in about for name in MODELS)
        yield Line(f"the delivery that {what}", f"one incident that names {', '.join(MODELS)}", found, met)


def predictions(life: Examined) -> Iterator[Line]:
    """Each row was predicted once, and is in the log once."""
    for name in MODELS:
        table = life.platform.lake.scan(f"{name}/predictions").select("prediction_id", "id").collect()
        delivered = sum(q.rows["loan_id"].n_unique() for q in life.quarters)
        quarantined = sum(s.quarantined for s in life.model(name).scored.values())
        twice = table.height - table["prediction_id"].n_unique()
        found = f"{table.height} predictions, {twice} twice, {quarantined} rows in quarantine"
        met = not twice and table.height + quarantined == delivered and table["id"].n_unique() == table.height
        yield Line(f"{name}: each loan is in the log once", f"{delivered} loans", found, met)


def messages(life: Examined) -> Iterator[Line]:
    """People were told by mail, each thing once."""
    opened = [r for r in life.platform.ledger.of(IncidentOpened) if r.event.severity in ("act", "critical")]
    told = [r for r in opened if any(f"Evidence: record {r.seq} of the ledger" in text for text in life.texts)]
    yield Line(
        "incidents from act on that were told by mail", str(len(opened)), str(len(told)), len(told) == len(opened)
    )
    numbers = Counter(n for text in life.texts for n in re.findall(r"Notice: (\S+)", text))
    repeated = [n for n, count in numbers.items() if count > 1]
    yield Line(
        "notices that arrived",
        "each once",
        f"{len(numbers)}, {len(repeated)} of them again",
        not repeated and bool(numbers),
    )


def whole(life: Examined) -> Iterator[Line]:
    """Nothing that is stored differs from what was recorded."""
    found = life.mlops("verify").strip().splitlines()
    yield Line("mlops verify", "intact", found[0] if found else "nothing", "are intact" in found[0] if found else False)
    said = any("simulated clock" in line for line in found)
    yield Line("the ledger says that its clock was simulated", "yes", "yes" if said else "no", said)


def current(life: Examined) -> Iterator[Line]:
    """The pages show what is recorded."""
    pages = life.pages
    found = f"{pages.looks - len(pages.behind)} of {pages.looks}" + (
        f" ({'; '.join(pages.behind[:3])})" if pages.behind else ""
    )
    yield Line(
        "pages show the last record whenever nothing is left to do",
        "always",
        found,
        pages.looks > 0 and not pages.behind,
    )


def ticks(life: Examined) -> Line:
    """How many looks of the sensor passed until pages showed a record."""
    counts = life.pages.ticks(life.instance)
    late = {head: count for head, count in counts.items() if count > TICKS}
    text = f"at most {max(counts.values(), default=0)} over {len(counts)} records" + (f", late: {late}" if late else "")
    return Line("looks of the watch until pages show a record", f"at most {TICKS}", text, bool(counts) and not late)


def failed_runs(life: Examined) -> Line:
    """Where nothing is killed, no run fails."""
    failed = life.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
    found = ", ".join(f"{run.job_name} {run.tags.get('dagster/partition', '')}".strip() for run in failed) or "none"
    return Line("runs that failed", "none", found, not failed)


def outcome(life: Examined) -> dict[str, Any]:
    """What a life must have come to: verdicts, champions, decisions, predictions, causes of incidents.

    Not attempts, times and signatures; not numbers of records, because runs of several models meet in another order.
    """
    ledger = life.platform.ledger
    # Which of several models showed a shared cause first depends on the order of runs; that they share it does not.
    causes = {(i.model, i.cause, *sorted(i.models)) for i in incidents(ledger.state()) if not i.merged_into}
    found: dict[str, Any] = {"causes": sorted(causes)}
    for name in MODELS:
        model = life.model(name)
        log = life.platform.lake.scan(f"{name}/predictions").select("prediction_id").collect()["prediction_id"]
        found[name] = {
            "verdicts": {w: (v.severity, v.kind, v.version) for w, v in sorted(model.window_verdicts.items())},
            "champions": [str(change.version) for change in model.changes],
            "decisions": {
                number: {gate: d.outcome for gate, d in sorted(version.decided().items())}
                for number, version in model.versions.items()
            },
            "ladder": {
                number: {w: t.outcome for w, t in sorted(version.ladder_tests.items())}
                for number, version in model.versions.items()
            },
            "requests": sorted(r.id for r in model.requests.values() if r.record.event.automatic),
            "predictions": sorted(log.to_list()),
        }
    return found


def alike(one: dict[str, Any], other: dict[str, Any]) -> Line:
    """Whether two lives came to the same; the second as it was read from a file."""
    found = list(difference(json.loads(json.dumps(one)), other))
    return Line("the same end state as another life", "no difference", "; ".join(found[:5]) or "none", not found)


def difference(one: Any, other: Any, where: str = "") -> Iterator[str]:
    """Where two outcomes differ, a line each."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}, key=str):
            yield from difference(one.get(key), other.get(key), f"{where}/{key}")
    elif one != other:
        shown = (
            (str(one), str(other))
            if len(str(one)) + len(str(other)) < 600
            else (f"{len(one)} items", f"{len(other)} items")
        )
        yield f"{where}: {shown[0]} and {shown[1]}"
