"""The event that opens a ledger which is written under a simulated clock."""

from typing import ClassVar

from mlops_assets.ledger.events.base import Event, Moment


class SimulatedClock(Event):
    """The ledger is written under a simulated clock: nothing in it happened when it says. It counts as the first record only,
    where the ledger writes it by itself.

    Attributes:
        machine_time: the machine's own time when the ledger was begun.
    """

    KIND: ClassVar[str] = "simulated_clock"

    machine_time: Moment
