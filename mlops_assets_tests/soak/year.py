"""Two years of a bank in minutes: real daemon and code server on an empty home, deliveries by quarter, signatures when asked.

    python -m mlops_assets_tests.soak.year [--windows 8] [--share 1.0] [--keep FOLDER]

Everything follows a simulated clock (`mlops_assets.clock`), which this driver moves from one day on which something happens to
the next as soon as the fleet has nothing left to do. Dagster's own scheduler follows the machine's clock, so that the driver
starts the schedule of the windows on its simulated day. At the end each expectation is printed with what was found; exit code
1 where one was not met.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
from sqlalchemy.exc import SQLAlchemyError

from mlops_assets import clock
from mlops_assets.clock import SIMULATED, set_simulated
from mlops_assets.platform import Platform
from mlops_assets_tests.notification.servers import Mailbox, mail_server
from mlops_assets_tests.soak.bank import (
    CORRECTED,
    CORRUPT,
    LATE,
    MODELS,
    PACKAGE,
    ROOT,
    START,
    TRAINED,
    TWICE,
    WIDER,
    Bank,
    Quarter,
    deliver,
    loans,
    quarters,
    write_group_model,
)
from mlops_assets_tests.soak.chaos import Chaos, Database, database
from mlops_assets_tests.soak.checks import Examined, Pages, alike, failed_runs, lines, outcome, ticks
from mlops_assets_tests.soak.in_process import InProcess
from mlops_assets_tests.soak.people import People
from mlops_assets_tests.soak.servers import Servers

ATTEMPTS = 10
"""How often a person repeats a command that is broken off while databases are killed."""
LONGEST_RUN = 600
"""Seconds after which a run counts as dead, where workers are killed."""
BAD_AFTER = 1
"""Quarter after which the developer changes the declaration to one whose version is worse."""


@dataclass
class Soak:
    """One life of the bank.

    Attributes:
        bank: its project.
        servers: what runs, and knows when there is nothing left to do.
        people: who signs.
        platform: the project, as this process looks at it.
        pages: how current they are.
        say: prints a line of progress.
    """

    bank: Bank
    servers: Servers | InProcess
    people: People
    platform: Platform
    pages: Pages
    say: Callable[[str], None]
    begun: float = field(default_factory=time.monotonic)

    def live(self, rows: pl.DataFrame, count: int) -> None:
        """From the first training through that many quarters."""
        self.begin()
        for number, quarter in enumerate(quarters(rows, count)):
            self.quarter(number, quarter)

    def begin(self) -> None:
        """The first version of each model, signed and released."""
        for model in MODELS:
            self.servers.launch(f"{model}__training")
            self.said(f"{model}: trained")
        self.servers.keep_running()
        self.settle("the first versions are signed")

    def quarter(self, number: int, quarter: Quarter) -> None:
        """The days after the end of a quarter on which something happens."""
        whole = self.bank.landing / quarter.file
        if number == CORRUPT:
            self.day(quarter, 2, "a delivery is cut off half way")
            deliver(whole, quarter.rows)
            data = whole.read_bytes()
            whole.write_bytes(data[: len(data) // 2])
            self.settle()
        elif number != LATE:
            self.day(quarter, 2, "the delivery arrives")
            rows = quarter.rows
            deliver(whole, rows.with_columns(pl.lit("web").alias("channel")) if number == WIDER else rows)
            self.settle()
        if number == TWICE:
            self.day(quarter, 3, "the delivery arrives once more, under another name")
            deliver(self.bank.landing / f"again-{quarter.file}", quarter.rows)
            self.settle()
        self.day(quarter, 5, "the calendar marks the window, and a person closes what is open")
        self.servers.launch("fleet__mark_quarter_windows")
        self.close()
        self.settle()
        if number in (LATE, CORRUPT):
            self.day(quarter, 9, "the delivery arrives late" if number == LATE else "the delivery arrives whole")
            deliver(whole, quarter.rows)
            self.settle()
        if number == CORRECTED + 1:
            self.day(quarter, 40, "outcomes of the quarter before are corrected")
            self.correct(quarter)
            self.settle()
        if number in (BAD_AFTER, BAD_AFTER + 1):
            bad = number == BAD_AFTER
            self.day(quarter, 40, f"the developer {'adds a feature' if bad else 'takes the feature out again'}")
            self.bank.declare(TRAINED, bad=bad)
            self.servers.reload()
            self.settle()

    def close(self) -> None:
        """A person looks at what is open, and closes it."""
        closed = self.people.close_incidents()
        self.said(f"closed: {', '.join(closed) or 'nothing'}")

    def correct(self, quarter: Quarter) -> None:
        """Deliver the quarter before once more, with other outcomes in every twentieth row."""
        file = next(p for p in sorted(self.bank.landing.glob("loans-*.parquet"), reverse=True) if p.name < quarter.file)
        every = pl.int_range(pl.len()) % 20 == 0
        rows = pl.read_parquet(file)
        deliver(
            file, rows.with_columns(pl.when(every).then(1 - pl.col("default")).otherwise("default").alias("default"))
        )

    def day(self, quarter: Quarter, after: int, what: str) -> None:
        """Move the clock to that many days after the quarter's end."""
        set_simulated(Path(self.bank.environment[SIMULATED]), quarter.day(after))
        self.said(f"{quarter.day(after):%Y-%m-%d}: {what}")

    def settle(self, what: str = "") -> None:
        """Wait until nothing is left to do, sign what is asked for, and so on until nothing is asked."""
        self._rest()
        while self.people.act():
            self._rest()
        if what:
            self.said(what)

    def _rest(self) -> None:
        self.servers.wait(self.look)
        self.pages.at_rest(self.look(), clock.today())

    def look(self) -> int:
        """See how far the ledger is; its last record."""
        try:
            head = self.platform.ledger.head()
        except SQLAlchemyError:  # the database may be away for a moment: it is killed, too
            return 0
        seq = head.seq if head is not None else 0
        self.pages.saw(seq, time.time())
        return seq

    def examined(self, rows: pl.DataFrame, count: int, mailbox: Mailbox) -> Examined:
        """The life that has ended, ready to be looked at."""
        return Examined(
            self.platform,
            dg.DagsterInstance.from_config(self.bank.environment["DAGSTER_HOME"]),
            quarters(rows, count),
            mailbox.subjects,
            mailbox.texts,
            self.pages,
            self.people.mlops,
            clock.today(),
        )

    def said(self, text: str) -> None:
        """A line of progress with the time since the beginning."""
        self.say(f"{time.monotonic() - self.begun:6.0f} s  {text}")


@contextmanager
def living(
    folder: Path, share: float, say: Callable[[str], None], *, in_process: bool = False, chaos: Database | None = None
) -> Iterator[tuple]:
    """A bank with its history, its people and its mail server; nothing is trained yet.

    Args:
        folder: an empty one.
        share: of the loans.
        say: prints a line of progress.
        in_process: without servers.
        chaos: the database that is killed; None: SQLite, and nothing is killed.
    """
    with mail_server() as (mailbox, address):
        set_simulated(folder / "clock.jsonl", datetime(START.year, START.month, START.day, 7, tzinfo=UTC))
        bank = Bank.create(folder, {"MLOPS_NOTIFY_RISK": address, **(chaos.variables if chaos else {})})
        if chaos is not None:
            settings = (ROOT / "deploy" / "postgres" / "dagster.yaml").read_text(encoding="utf-8")
            # A worker that dies together with its code server is noticed by nobody until its run is too old.
            settings = settings.replace("max_runtime_seconds: 14400", f"max_runtime_seconds: {LONGEST_RUN}")
            (bank.root / "dagster.yaml").write_text(settings, encoding="utf-8")
        rows = loans(share)
        bank.landing.mkdir(parents=True)
        write_group_model(rows, bank.root / "data" / "group.skops")
        deliver(bank.landing / "history.parquet", rows.filter(pl.col("approval_date") < START))
        for model in MODELS:
            bank.declare(model)
        bank.enrol()
        # What this process does on behalf of people happens in the same project, at the same time.
        os.environ.update(bank.environment)
        servers = InProcess(bank) if in_process else Servers(bank, folder / "servers.log")
        platform = Platform.load(bank.root / PACKAGE / "defs")
        pages = Pages(platform.home.reports / "fleet.html")
        if chaos is not None and isinstance(servers, Servers):
            servers.beneath, servers.attempts = chaos.keep_running, ATTEMPTS
        soak = Soak(bank, servers, People(bank), platform, pages, say)
        soak.people.attempts = ATTEMPTS if chaos is not None else 1
        try:
            yield soak, rows, mailbox
        finally:
            servers.stop()


def main() -> int:
    """Live, look, and print what was expected and what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=8, help="quarters to live through")
    parser.add_argument("--share", type=float, default=1.0, help="share of the loans")
    parser.add_argument("--chaos", action="store_true", help="kill what runs, at random; databases on PostgreSQL")
    parser.add_argument("--seed", type=int, default=7, help="of what is killed")
    parser.add_argument("--like", type=Path, help="outcome.json of another life, which must have come to the same")
    parser.add_argument("--in-process", action="store_true", help="without servers: see in_process.py")
    parser.add_argument("--keep", type=Path, help="an empty folder to live in, which stays")
    options = parser.parse_args()
    # SIGTERM ends the servers as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    def say(line: str) -> None:
        print(line, flush=True)

    with tempfile.TemporaryDirectory(prefix="soak") as name:
        folder = options.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        with (
            database() if options.chaos else nullcontext() as beneath,
            living(folder, options.share, say, in_process=options.in_process, chaos=beneath) as (soak, rows, mailbox),
        ):
            killer = Chaos(soak.servers, beneath, options.seed) if options.chaos else None
            if killer is not None:
                killer.start()
            soak.live(rows, options.windows)
            if killer is not None:
                killer.stop()
                say(f"killed: {dict(killer.killed)}")
                soak.settle()
            life = soak.examined(rows, options.windows, mailbox)
            found = list(lines(life))
            if not options.chaos:
                found.append(failed_runs(life))
            if not options.in_process:
                found.append(ticks(life))
            if options.like is not None:
                found.append(alike(outcome(life), json.loads(options.like.read_text(encoding="utf-8"))))
            print(soak.people.mlops("status"))
            (folder / "outcome.json").write_text(json.dumps(outcome(life), indent=1, sort_keys=True), encoding="utf-8")
        print("\n".join(map(str, found)))
        print(f"signatures and commands that were asked for: {dict(soak.people.signed)}")
        print(f"asked for and left alone: {dict(soak.people.left)}")
        print(
            f"{len(mailbox.messages)} messages, {soak.servers.restarts} restarts, {time.monotonic() - soak.begun:.0f} s"
        )
    return 0 if all(line.met for line in found) else 1


if __name__ == "__main__":
    sys.exit(main())
