"""How much the tests do: a bounded share in `make test` and all of it in `make soak`, and cheap starts of processes.

A test that asks for a share is marked `soak`; tests over drawn examples (Hypothesis) have the mark without saying so.
"""

import multiprocessing
import os
from multiprocessing.context import ForkServerContext

from hypothesis import HealthCheck, settings

SOAK = os.environ.get("MLOPS_ASSETS_SOAK") == "1"


def share(bounded: int, full: int) -> int:
    """Rounds, kills or examples of this run."""
    return full if SOAK else bounded


def examples_for_all() -> None:
    """Examples of every test over drawn ones that names no number itself.

    None has a deadline: how long an example takes depends on what else the machine does.
    """
    settings.register_profile(
        "shared", deadline=None, max_examples=share(50, 2_000), suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("shared")


def many_processes() -> ForkServerContext:
    """Where tests start several processes from: each is forked from one that has imported what they use.

    Importing it anew takes a process a second or more, and is the subject of none of these tests. Nothing but imports happens
    before the fork: no thread, connection or random generator is shared.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mlops_assets_tests.release.race_worker", "mlops_assets.stores.lake"])
    return context
