"""The demo on several cores: models are independent of each other, so each further process takes the next model.

Belongs here: starting processes, handing out models, collecting what they print, and ending them with the demo. Not here:
what is done with a model (`lifecycle.py`). The ledger, MLflow's database and Dagster's take several writers.
"""

import os
import queue
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

WARM = ("mlops_assets.orchestration.build", "mlops_assets.orchestration.model_experiments", "sklearn.ensemble")
"""What takes seconds to import: a further process does it while the first one makes the databases."""
LINE, FAILURE, DONE = "line", "failure", "done"
PATIENCE = 10.0
"""Seconds that a process has to end after it was asked to."""


Say = Callable[[str], None]
Start = Callable[[Say], Callable[[str], list[str]]]


@dataclass
class Crew:
    """Processes that work beside this one.

    Attributes:
        say: prints a line; called from several threads.
        members: the processes with the pipes to them.
        failures: what failed in them.
    """

    say: Say
    members: list[tuple[BaseProcess, Connection]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def share(self, models: Sequence[str], live: Callable[[str], None], heed: Callable[[], None]) -> None:
        """Hand out the models, one at a time, to this process and the others, until all are done.

        Args:
            models: names; those that take longest first.
            live: takes one model through its life, in this process.
            heed: raises when somebody asked to stop.
        """
        waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        for model in models:
            waiting.put(model)
        threads = [
            threading.Thread(target=self.feed, args=(process, pipe, waiting), daemon=True)
            for process, pipe in self.members
        ]
        for thread in threads:
            thread.start()
        while (model := _next(waiting)) is not None:
            live(model)
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
                heed()

    def feed(self, process: BaseProcess, pipe: Connection, waiting: "queue.SimpleQueue[str]") -> None:
        """Give one process model after model, and pass on what it says."""
        while (model := _next(waiting)) is not None:
            try:
                pipe.send(model)
                while (message := pipe.recv())[0] != DONE:
                    kind, text = message
                    (self.failures.append if kind == FAILURE else self.say)(text)
            except (EOFError, OSError):
                process.join(PATIENCE)
                self.failures.append(
                    f"{model}: the process that ran it ended with code {process.exitcode}; run the same command to continue"
                )
                return

    def end(self) -> None:
        """Ask the processes to stop, and wait for them; one that does not is killed."""
        for process, pipe in self.members:
            pipe.close()
            if process.is_alive():
                process.terminate()
        for process, _ in self.members:
            process.join(PATIENCE)
            if process.is_alive():
                process.kill()
                process.join()


@contextmanager
def crew(start: Start, size: int, say: Say) -> Iterator[Crew]:
    """Start further processes, which end with the block.

    Args:
        start: called in each of them with what passes a line on; returns what takes a model through its life, and returns
            what failed. It is handed over by name: a function of a module, with arguments that can be pickled.
        size: how many.
        say: prints a line here.
    """
    found, context = Crew(say), get_context("spawn")
    try:
        for _ in range(size):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(start, theirs))
            process.start()
            theirs.close()
            found.members.append((process, ours))
        yield found
    finally:
        found.end()


def stop_when_asked() -> None:
    """Let SIGINT and SIGTERM interrupt this process, in the background of a script as well.

    A script starts a background job with SIGINT ignored, and after each of its runs Dagster treats SIGTERM like SIGINT.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)


def interrupted() -> Callable[[], bool]:
    """A function that says whether SIGINT or SIGTERM arrived since its last call.

    It reads the wake-up file descriptor, because an exception raised by a signal handler can be swallowed on its way.
    """
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)

    def signalled() -> bool:
        try:
            return not {signal.SIGINT, signal.SIGTERM}.isdisjoint(os.read(read, 4096))
        except BlockingIOError:
            return False

    return signalled


def _next(waiting: "queue.SimpleQueue[str]") -> str | None:
    try:
        return waiting.get_nowait()
    except queue.Empty:
        return None


def _work(start: Start, pipe: Connection) -> None:
    """A further process: one model after another, until there is none left or the first process is gone."""
    warnings.filterwarnings("ignore")
    stop_when_asked()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        for module in WARM:
            import_module(module)
        _serve(start, pipe)
    except (KeyboardInterrupt, EOFError, OSError):
        # Asked to stop, or nobody is there any more to ask: the next start goes on from the ledger.
        os._exit(1)


def _serve(start: Start, pipe: Connection) -> None:
    model = pipe.recv()
    # Only now: the first process has made the databases before it hands out models.
    live = start(lambda text: pipe.send((LINE, text)))
    while True:
        for failure in live(model):
            pipe.send((FAILURE, failure))
        pipe.send((DONE, model))
        model = pipe.recv()


def _end_with_parent() -> None:
    """End at once when the first process does: what is half done is done again, as after any other interruption."""
    first = parent_process()
    if first is not None:
        first.join()
    os._exit(1)
