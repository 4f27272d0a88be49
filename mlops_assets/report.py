"""What a report is: a page or a file about the whole fleet, written anew from what is on record.

Each registered report is an asset `["fleet", <name>]` of the job `fleet__report`. Not here: the reports of this package
(`fleet_files.py`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from mlops_assets.declaration.terms import Cadence
from mlops_assets.errors import MlopsAssetsError
from mlops_assets.platform import Platform
from mlops_assets.registration import Extension, Known

TAKEN = ("watch", "discovery", *(f"{cadence.value}_windows" for cadence in Cadence))
"""Names of the other assets of the fleet."""


@dataclass(frozen=True)
class ReportInputs:
    """What a report is written from.

    Attributes:
        platform: the project with its stores, to be read: declarations, policies, ledger, lake, registry.
        folder: of the pages that people are served; the report writes its files there.
        verify: whether there is time to verify the whole ledger.
    """

    platform: Platform
    folder: Path
    verify: bool = True


@dataclass(frozen=True)
class Written:
    """A report that was written.

    Attributes:
        metadata: shown on the asset: plain values, tables (lists of equal mappings), paths.
    """

    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Report(Extension):
    """One report.

    Attributes:
        name: of its asset.
        description: what it shows, for the reviewer in the UI.
        write: writes its files and says what to show on the asset.
        page: address of its page, relative to the folder of the pages; empty: it has none.
        reads: names of reports that have to be written before it.
        kinds: at most three badges.
    """

    KIND: ClassVar[str] = "reports"

    name: str
    description: str
    write: Callable[[ReportInputs], Written]
    page: str = ""
    reads: tuple[str, ...] = ("inventory",)
    kinds: tuple[str, ...] = ("html",)

    def objections(self) -> list[str]:
        """What keeps the report from being used."""
        problems = [f"its name {self.name!r} is that of another asset of the fleet"] if self.name in TAKEN else []
        unknown = [name for name in self.reads if name not in REPORTS or name == self.name]
        return [*problems, *(f"it reads {name!r}, expected one of {', '.join(REPORTS)}" for name in unknown)]


REPORTS: Known[Report] = Known(Report)


def write_report(report: Report, inputs: ReportInputs) -> Written:
    """Write a report.

    Raises:
        ReportError: it could not be written.
    """
    code = REPORTS.code(report.name)
    if code is None:
        return report.write(inputs)
    try:
        written = report.write(inputs)
        if not isinstance(written, Written):
            raise TypeError(f"write returned {type(written).__name__}, expected Written")
    except Exception as error:  # a report of the bank's own may raise whatever it likes
        raise ReportError(f"report {report.name} was not written: {type(error).__name__}: {error}") from error
    return Written({**written.metadata, "code": code})


class ReportError(MlopsAssetsError, RuntimeError):
    """A report could not be written; the text says why."""
