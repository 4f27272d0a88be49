"""Handing out models: each is done once, by whoever is free, and a process that dies is named."""

import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import pytest
from dagster._utils.interrupts import capture_interrupts

from mlops_assets.orchestration.demo.processes import DONE, FAILURE, LINE, Crew, crew, stop_when_asked


@dataclass
class Stand:
    """Stands for a process: a thread at the other end of the pipe."""

    pipe: Connection
    dies_at: str = ""
    exitcode: int | None = None
    did: list[str] = field(default_factory=list)

    def work(self) -> None:
        while True:
            try:
                model = self.pipe.recv()
            except EOFError:
                return
            if model == self.dies_at:
                self.exitcode = -9
                self.pipe.close()
                return
            self.did.append(model)
            self.pipe.send((LINE, f"{model} is worked on"))
            self.pipe.send((FAILURE, f"{model} failed"))
            self.pipe.send((DONE, model))

    def join(self, timeout: float | None = None) -> None: ...


def member(dies_at: str = "") -> tuple[Any, Connection]:
    ours, theirs = Pipe()
    stand = Stand(theirs, dies_at)
    threading.Thread(target=stand.work, daemon=True).start()
    return stand, ours


def test_every_model_is_done_once_and_what_is_said_and_failed_arrives() -> None:
    said: list[str] = []
    here: list[str] = []
    others = Crew(said.append, [member(), member()])
    names = [f"m{i}" for i in range(30)]
    others.share(names, here.append, lambda: None)
    there = [name for stand, _ in others.members for name in stand.did]  # pyright: ignore[reportAttributeAccessIssue]
    assert sorted([*here, *there]) == sorted(names)
    assert sorted(said) == sorted(f"{name} is worked on" for name in there)
    assert sorted(others.failures) == sorted(f"{name} failed" for name in there)


def test_a_process_that_dies_is_named_and_what_it_did_not_take_is_left_for_the_others() -> None:
    others = Crew(lambda text: None, [member(dies_at="second")])
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for model in ("first", "second", "third"):
        waiting.put(model)
    others.feed(*others.members[0], waiting)
    assert others.failures == [
        "first failed",
        "second: the process that ran it ended with code -9; run the same command to continue",
    ]
    assert waiting.get_nowait() == "third"


def test_a_request_to_stop_is_heeded_while_the_others_work() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    ours, _theirs = Pipe()
    others = Crew(lambda text: None, [(Stand(_theirs), ours)])  # pyright: ignore[reportArgumentType]
    with pytest.raises(KeyboardInterrupt):
        others.share(["a", "b"], lambda model: time.sleep(0.2), stop)


def shout(say: Callable[[str], None]) -> Callable[[str], list[str]]:
    """What a further process does here: it says where it is, and stops at one model for ever."""

    def live(model: str) -> list[str]:
        say(f"{model} in {os.getpid()}")
        if model == "endless":
            time.sleep(3600)
        return [f"{model} failed"]

    return live


def test_a_further_process_works_and_ends_with_the_block_whatever_it_is_doing() -> None:
    said: list[str] = []
    with crew(shout, 1, said.append) as others:
        waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        waiting.put("a")
        others.feed(*others.members[0], waiting)
        process = others.members[0][0]
        assert others.failures == ["a failed"]
        assert said == [f"a in {process.pid}"]
        assert process.pid != os.getpid()
        # The block ends while the process is in the middle of this one.
        said.clear()
        waiting.put("endless")
        feeding = threading.Thread(target=others.feed, args=(*others.members[0], waiting), daemon=True)
        feeding.start()
        while not said:
            time.sleep(0.05)
    # Both threads wait for the process; the one that did not collect it knows of its end a moment later.
    feeding.join(60)
    assert process.exitcode is not None


def test_nobody_is_started_for_one_process() -> None:
    with crew(shout, 0, print) as alone:
        assert alone.members == []
        done: list[str] = []
        alone.share(["a"], done.append, lambda: None)
        assert done == ["a"]


def test_a_background_job_can_be_asked_to_stop_after_a_run_of_dagster() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        stop_when_asked()
        with capture_interrupts():
            pass
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
