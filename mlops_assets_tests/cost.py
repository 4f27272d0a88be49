"""What a piece of work costs, beside another one: seconds differ with the machine and with what else it does."""

import time
from collections.abc import Callable


def processor_seconds(work: Callable[[], object]) -> float:
    """Seconds of this process's processor time, of all its threads, that `work` takes."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def times_as_much(work: Callable[[], object], baseline: Callable[[], object], turns: int = 3) -> float:
    """How many times the processor time of `baseline` the `work` takes: the smallest of several turns.

    Both are run once before, so that neither pays for imports and caches.
    """
    work()
    baseline()
    return min(processor_seconds(work) / processor_seconds(baseline) for _ in range(turns))
