"""Streams whose moments of change are known: false alarms before, what is caught and how it is named since.

    python benchmarks/published_streams.py [FOLDER] [--sizes 2000,500] [--before 6] [--after 4] [--seed 3108] [--only NAME]

Always: invented streams with the traits of well-known ones (`invented_streams.py`). With FOLDER also every stream in it, a
folder each with `rows.parquet`, in the order of time, and `truth.json`: `reference` (rows to compare with), `changes` (a
list of `at`, `until`, `kinds`, `outcomes`, `columns`), `target`, `score`, `time`, `id`, `ignore`, `windows`. Others' data
are not shipped with the project.

Windows lie wholly before a change, or wholly since. Each is judged as `mlops drift` does it, with and without the order of
the reference's rows, with and without outcomes. Where a change shows in outcomes alone, silence is right without them.
"""

import argparse
import json
import tempfile
import time as clock
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.invented_streams import Change, Stream, invented_streams
from benchmarks.stream_faults import FAULTS
from mlops_assets.monitoring.severity import at_least
from mlops_assets.monitoring.two_tables.comparison import TableComparison, compare_tables

VARIANTS = ((True, True), (True, False), (False, True), (False, False))
"""Order known, outcomes known."""


@dataclass
class Tally:
    """What was said of one stream's windows of one size in one variant."""

    quiet: int = 0
    false: int = 0
    changed: int = 0
    caught: int = 0
    first: int = 0
    second: int = 0
    delays: list[int | None] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Sum up."""
        for name in ("quiet", "false", "changed", "caught", "first", "second"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.delays += other.delays

    def line(self) -> str:
        """Alarms before; caught, first, among two since; windows until the first catch."""
        known = [d for d in self.delays if d is not None]
        delay = f"{np.mean(known):.1f}" if known else "-"
        missed = f" ({self.delays.count(None)} never)" if None in self.delays else ""
        return (
            f"{self.false:>4}/{self.quiet:<5}{self.caught:>5}/{self.changed:<5}{self.first:>6}{self.second:>7}"
            f"{delay:>7}{missed}"
        )


def read_stream(folder: Path) -> Stream:
    """A stream from its folder; a missing key of `truth.json` is empty.

    Raises:
        OSError, ValueError: a file is missing or is not what it should be.
    """
    told = json.loads((folder / "truth.json").read_text())
    changes = tuple(
        Change(c["at"], tuple(c["kinds"]), c.get("outcomes", False), tuple(c.get("columns", ())), c.get("until"))
        for c in told.get("changes", ())
    )
    return Stream(
        folder.name,
        pl.read_parquet(folder / "rows.parquet"),
        told["reference"],
        changes,
        *(told.get(key) or "" for key in ("target", "score", "time", "id")),
        ignore=tuple(told.get("ignore", ())),
        sizes=tuple(told.get("windows") or ()),
    )


def windows(stream: Stream, size: int, before: int, after: int) -> Iterator[tuple[int, Change | None]]:
    """First row and what is true of each window: `before` spread over the quiet rows, `after` one by one since a change."""
    first = min((c.at for c in stream.changes), default=stream.rows.height)
    room = first - stream.reference - size
    if room >= 0:
        starts = stream.reference + np.linspace(0, room, min(before, room // size + 1)).astype(int)
        yield from ((int(start), None) for start in np.unique(starts))
    for change in stream.changes:
        end = min(change.until or stream.rows.height, stream.rows.height)
        count = min(after, (end - change.at) // size)
        yield from ((change.at + i * size, change) for i in range(count))


def judge(
    stream: Stream,
    start: int,
    size: int,
    folder: Path,
    *,
    ordered: bool,
    outcomes: bool,
    rows: pl.DataFrame | None = None,
) -> TableComparison:
    """One window against the stream's reference; `rows` instead of the stream's own, where given."""
    reference, current = folder / "reference.parquet", folder / "current.parquet"
    if not reference.exists():
        stream.rows[: stream.reference].write_parquet(reference)
    (stream.rows[start : start + size] if rows is None else rows).write_parquet(current)
    hidden = [stream.target] if stream.target and not outcomes else []
    return compare_tables(
        reference,
        current,
        ignore=[*stream.ignore, *hidden, *([stream.time] if stream.time and not ordered else [])],
        identifier=stream.identifier or None,
        target=stream.target if outcomes else "",
        score=stream.score or None,
        time=stream.time if ordered and stream.time else None,
        in_order=(True if not stream.time else None) if ordered else None,
    )


def measure(stream: Stream, size: int, options: argparse.Namespace, variant: tuple[bool, bool], log: Any) -> Tally:
    """All windows of one size in one variant."""
    ordered, outcomes = variant
    tally = Tally()
    seen: dict[Change, int | None] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (start, change) in enumerate(windows(stream, size, options.before, options.after)):
            found = judge(stream, start, size, Path(folder), ordered=ordered, outcomes=outcomes)
            alarm = at_least(found.health.severity, "watch")
            causes = found.health.causes
            if change is None or (change.outcomes and not outcomes):
                tally.quiet += 1
                tally.false += alarm
            else:
                right = [rightly(cause, change) for cause in causes[:2]]
                tally.changed += 1
                tally.caught += alarm
                tally.first += bool(right[:1] and right[0])
                tally.second += any(right)
                position = (start - change.at) // size + 1
                seen.setdefault(change, None)
                if alarm and seen[change] is None:
                    seen[change] = position
            if log is not None:
                said = {"stream": stream.name, "size": size, "ordered": ordered, "outcomes": outcomes, "start": start}
                said |= {"number": number, "expected": list(change.kinds) if change else [], "alarm": alarm}
                said |= {"only_outcomes": bool(change and change.outcomes), "severity": found.health.severity}
                said |= {"causes": [[c.kind, c.severity, c.evidence[:300], list(c.columns)] for c in causes]}
                print(json.dumps(said), file=log, flush=True)
    tally.delays = list(seen.values())
    return tally


def break_feeds(streams: Sequence[Stream], size: int, times: int, seed: int) -> None:
    """Each fault in quiet windows of each stream: named first, and with its columns, of how many."""
    print(f"\n{'broken feeds':<30}{'windows':>8}{'caught':>8}{'named':>8}{'columns':>9}")
    for name, break_it in FAULTS.items():
        counts = np.zeros(4, dtype=int)
        for number, stream in enumerate(streams):
            generator = np.random.default_rng([seed, number])
            rows_of_window = stream.sizes[0] if stream.sizes else size
            quiet = [start for start, change in windows(stream, rows_of_window, times, 0) if change is None]
            with tempfile.TemporaryDirectory() as folder:
                for start in quiet:
                    outside = {stream.target, stream.score, stream.time, stream.identifier, *stream.ignore}
                    rows = stream.rows[start : start + rows_of_window]
                    # Columns that hold the rows' own number or time are not compared, broken or not.
                    columns = [n for n in rows.columns if n not in outside and rows[n].n_unique() < rows.height]
                    columns += [n for n in rows.columns if n not in (*outside, *columns) and rows[n].dtype.is_float()]
                    broken = break_it(rows, columns, generator)
                    if broken is None:
                        continue
                    found = judge(
                        stream, start, rows_of_window, Path(folder), ordered=False, outcomes=False, rows=broken[0]
                    )
                    first = found.health.causes[0] if found.health.causes else None
                    fault = first is not None and first.kind == "data_quality"
                    right = fault and set(first.columns) == broken[1]  # type: ignore[union-attr]
                    counts += (1, at_least(found.health.severity, "watch"), fault, right)
                    if not right:
                        print(
                            f"  {name}, {stream.name} {start}: {sorted(broken[1])}, said {found.health.reasons[0][:150]}"
                        )
        print(f"{name:<30}" + "".join(f"{n:>8}" for n in counts), flush=True)


def rightly(cause: Any, change: Change) -> bool:
    """Whether a cause is the change, with its columns among those named where they are known."""
    if cause.kind not in change.kinds:
        return False
    return (
        not change.columns
        or cause.kind not in ("covariate_shift", "data_quality")
        or bool(set(change.columns) & set(cause.columns))
    )


def main() -> None:
    """Print a line a stream, size and variant, and the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--sizes", default="2000")
    parser.add_argument("--before", type=int, default=6)
    parser.add_argument("--after", type=int, default=4)
    parser.add_argument("--seed", type=int, default=3108)
    parser.add_argument("--only", nargs="*", default=())
    parser.add_argument("--not-invented", action="store_true")
    parser.add_argument(
        "--variants", default="0123", help="which of: 0 order and outcomes, 1 order, 2 outcomes, 3 neither"
    )
    parser.add_argument("--log", type=Path, help="one line of JSON a window")
    parser.add_argument("--faults", type=int, default=0, help="quiet windows of each stream in which feeds are broken")
    options = parser.parse_args()
    streams = [] if options.not_invented else invented_streams(options.seed, options.only)
    if options.folder:
        streams += [
            read_stream(p.parent) for p in sorted(options.folder.glob("*/truth.json")) if wanted(p, options.only)
        ]
    print(
        f"{'':<30}{'rows':>6}  {'order outcomes':<16}{'alarms':>8}  {'caught':>8}{'first':>8}{'of two':>7}{'delay':>7}"
    )
    sums = {variant: Tally() for variant in VARIANTS}
    log = options.log.open("a") if options.log else None
    for stream in streams:
        for size in stream.sizes or [int(s) for s in options.sizes.split(",")]:
            for variant in (VARIANTS[int(i)] for i in options.variants):
                if variant[1] and not stream.target:
                    continue
                began = clock.perf_counter()
                tally = measure(stream, size, options, variant, log)
                sums[variant].add(tally)
                print(
                    f"{stream.name:<30}{size:>6}  {said(variant):<16}{tally.line()}  {clock.perf_counter() - began:.0f} s",
                    flush=True,
                )
    if options.faults:
        break_feeds(streams, int(options.sizes.split(",")[0]), options.faults, options.seed)
    for variant, tally in sums.items():
        print(f"{'all':<36}  {said(variant):<16}{tally.line()}")


def wanted(path: Path, only: Sequence[str]) -> bool:
    """Whether a folder's stream was asked for."""
    return not only or path.parent.name.startswith(tuple(only))


def said(variant: tuple[bool, bool]) -> str:
    """For a table."""
    return "  ".join("yes   " if known else "no    " for known in variant)


if __name__ == "__main__":
    main()
