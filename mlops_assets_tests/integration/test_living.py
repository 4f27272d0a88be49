"""The short form of the soak: months that are lived through under a simulated clock, in this process, as their rows come.

The long form has a daemon, deliveries that go wrong and people who sign: `make soak`, `mlops_assets_tests/soak/year.py`.
"""

from datetime import UTC, datetime

import polars as pl
import pytest

from mlops_assets.clock import SIMULATED, set_simulated
from mlops_assets.ledger.events.windows import HealthVerdict
from mlops_assets.orchestration.demo.lifecycle import Demo
from mlops_assets_tests.integration.lives import Lived, live
from mlops_assets_tests.integration.small_project import TIMED, WINDOWS, late_payments, write_project

pytestmark = pytest.mark.integration
ROWS = 1500


def came_to(lived: Lived) -> dict[str, object]:
    """Verdicts, champions, requests and predictions of the model."""
    model = lived.ledger.state().model(TIMED)
    return {
        "verdicts": {w: (v.severity, v.kind, v.version, v.outcomes) for w, v in sorted(model.window_verdicts.items())},
        "champions": [change.version for change in model.changes],
        "requests": [(r.id, r.record.event.until) for r in model.requests.values()],
        "predictions": set(
            lived.platform.lake.read(f"{TIMED}/predictions", columns=["prediction_id"])["prediction_id"]
        ),
    }


def test_months_lived_through_come_to_what_their_backfill_comes_to(lived, tmp_path, monkeypatch):
    clock, table, rows = tmp_path / "clock.jsonl", tmp_path / "data" / "late payments.parquet", late_payments(ROWS)

    def reach(month: int) -> None:
        """It is the second day of a month of 2021; the rows of the months before have come."""
        set_simulated(clock, datetime(2021, month, 2, 6, tzinfo=UTC))
        rows.filter(pl.col("issued at") < datetime(2021, month, 1)).write_parquet(table)  # noqa: DTZ001

    class Living(Demo):
        """Judges each month when it has ended."""

        def history(self, model: str) -> None:
            for month in range(2, 2 + len(WINDOWS)):
                reach(month)
                super().history(model)

    defs = write_project(tmp_path, TIMED)
    reach(1)
    monkeypatch.setenv(SIMULATED, str(clock))
    monkeypatch.syspath_prepend(tmp_path)
    lively = live(defs, Living)
    assert lively.failures == []
    assert came_to(lively) == came_to(lived)
    assert len(came_to(lively)["champions"]) > 1, "the change of March led to another champion"
    assert lively.ledger.is_simulated
    assert lively.ledger.verify() == []
    told = {r.subject: r.recorded_at for r in lively.ledger.of(HealthVerdict, model=TIMED)}
    assert [told[w].date().isoformat()[:7] for w in WINDOWS] == [f"2021-0{month}" for month in range(2, 7)]
