"""Which window a recorded verdict is about: its start is the record's subject, its end is in the body.

A model whose cadence was changed has verdicts on windows of two lengths, some of which begin on the same day.
"""

from mlops_assets.datasets.windows import window_of_key
from mlops_assets.declaration.terms import Cadence
from mlops_assets.ledger.ledger import Record

VERDICT = "health_verdict"
END = "window_end"
"""Where a verdict's record says when its window ended (excluded); verdicts from before this was recorded do not say."""


def is_verdict_of(record: Record, cadence: Cadence) -> bool:
    """Whether a verdict is about a window of that cadence; where the record does not say, its start has to fit."""
    try:
        end = window_of_key(record.subject, cadence).end.isoformat()
    except ValueError:
        return False
    return record.body.get(END, end) == end
