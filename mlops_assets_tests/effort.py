"""How long the tests are whose length is a choice: a bounded share in `make test`, all of it in `make soak`.

A test that asks here is marked `soak`; tests over drawn examples (Hypothesis) have the mark without saying so.
"""

import os

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
