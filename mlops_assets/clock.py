"""The time by which everything is decided and recorded: the machine's, or a simulated one.

Belongs here: what time it is. Every module that asks for it, asks here; durations of work are measured with
`time.monotonic`. Not here: dates of rows, and cadences, which are `datasets.windows`'.

A simulated clock lets a project live through years in minutes, in all of its processes: `MLOPS_ASSETS_SIMULATED_CLOCK` names
a file with one JSON object a line, each a setting of the clock. A ledger that is begun under a simulated clock says so in its
first record, and is opened under a simulated clock only; any other ledger is refused there.
"""

import json
import os
import time
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from mlops_assets.errors import WRONG_CALL, MlopsAssetsError

SIMULATED = "MLOPS_ASSETS_SIMULATED_CLOCK"
"""Environment variable with the file of the simulated clock; not set: the machine's clock."""
WHAT_IS_EXPECTED = (
    'expected lines such as {"machine": 1767603600.0, "shows": "2005-01-03T09:00:00+00:00", "speed": 1.0}'
)


class SimulatedClockError(MlopsAssetsError, RuntimeError):
    """A simulated clock is set where none may be, is missing where one must be, or cannot be read."""

    exit_code = WRONG_CALL


@dataclass(frozen=True)
class Setting:
    """From when on a simulated clock shows what.

    Attributes:
        machine: time of the machine at which it was set, in seconds since the epoch.
        shows: what the clock shows then, with its zone, as ISO 8601.
        speed: seconds that it goes on in a second of the machine; 0: it stands still.
    """

    machine: float
    shows: str
    speed: float = 1.0

    def at(self, machine: float) -> datetime:
        """What the clock shows at a time of the machine."""
        return datetime.fromisoformat(self.shows) + timedelta(seconds=(machine - self.machine) * self.speed)


def now() -> datetime:
    """The time, in UTC.

    Raises:
        SimulatedClockError: the file of the simulated clock cannot be read.
    """
    return at(machine_seconds())


def today() -> date:
    """The day in UTC."""
    return now().date()


def at(seconds: float) -> datetime:
    """What this clock showed when the machine's was at `seconds` since the epoch, as other programs record times."""
    file = simulated()
    if file is None:
        return datetime.fromtimestamp(seconds, UTC)
    settings = _read(file)
    earlier = [setting for setting in settings if setting.machine <= seconds]
    return (earlier[-1] if earlier else settings[0]).at(seconds).astimezone(UTC)


def machine_seconds() -> float:
    """The machine's own time in seconds since the epoch, for comparison with the times of files and other programs."""
    return time.time()


def simulated() -> Path | None:
    """The file of the simulated clock; None under the machine's clock."""
    named = os.environ.get(SIMULATED)
    return Path(named) if named else None


def set_simulated(file: Path, shows: datetime, speed: float = 1.0) -> None:
    """Set the simulated clock in `file`, from now on and for every process that reads it.

    Raises:
        SimulatedClockError: it would go back, which no ledger accepts.
    """
    machine, settings = machine_seconds(), _read(file) if file.exists() else ()
    if settings and settings[-1].at(machine) > shows:
        raise SimulatedClockError(
            f"{file}: the clock shows {settings[-1].at(machine).isoformat()}, found {shows.isoformat()} to set it back to; "
            "expected a later time"
        )
    lines = [json.dumps(asdict(setting)) for setting in (*settings, Setting(machine, shows.isoformat(), speed))]
    # Replaced as a whole, so that no reader finds half a line.
    partial = file.with_name(f"{file.name}.{os.getpid()}")
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    partial.replace(file)


_KNOWN: dict[Path, tuple[tuple[int, int], tuple[Setting, ...]]] = {}
"""Settings by file, each with what says whether the file is still the same: its inode and the time of its last change."""


def _read(file: Path) -> tuple[Setting, ...]:
    try:
        status = file.stat()
        kept = _KNOWN.get(file)
        if kept is None or kept[0] != (status.st_ino, status.st_mtime_ns):
            settings = tuple(_setting(line) for line in file.read_text(encoding="utf-8").splitlines())
            if not settings:
                raise ValueError("the file is empty")
            kept = _KNOWN[file] = ((status.st_ino, status.st_mtime_ns), settings)
        return kept[1]
    except (OSError, ValueError, TypeError) as error:
        raise SimulatedClockError(
            f"{SIMULATED}: the simulated clock {file} cannot be read ({error}); {WHAT_IS_EXPECTED}, "
            "or the variable not set: then the machine's clock counts"
        ) from error


def _setting(line: str) -> Setting:
    setting = Setting(**json.loads(line))
    if datetime.fromisoformat(setting.shows).tzinfo is None or not setting.speed >= 0 or setting.machine < 0:
        raise ValueError(f"found the line {line}")
    return setting
