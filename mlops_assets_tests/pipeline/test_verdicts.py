"""Which windows a verdict is controlled with: those of the same cadence and start, of each model the last verdict."""

from datetime import date
from typing import Any

import pytest

from mlops_assets.datasets.windows import Window
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Cadence
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.pipeline.verdicts import among_the_fleet, has_window
from mlops_assets_tests.ledger.made import health_verdict
from mlops_assets_tests.training.tables import declare

WINDOW = Window(date(2021, 4, 1), date(2021, 5, 1))


def model(name: str, cadence: str = "month", **monitoring: Any) -> Declaration:
    return declare(name=name, monitoring={"cadence": cadence, **monitoring})


@pytest.mark.parametrize(
    ("declaration", "expected", "why"),
    [
        (model("a"), True, "from the end of training on"),
        (model("a", start="2021-04-15"), True, "the window in which monitoring starts"),
        (model("a", start="2021-05-01"), False, "monitoring starts later"),
        (model("a", end="2021-04-01"), False, "monitoring ended before"),
        (model("a", end="2021-05-01"), True, "its last window"),
        (model("a", "quarter"), False, "a quarter starts on that day too, and is another period"),
        (declare(name="a", event_time=None, training={}, monitoring={}), False, "without time there are no windows"),
    ],
)
def test_whether_a_model_has_that_window(declaration, expected, why):
    assert has_window(declaration, WINDOW, Cadence.MONTH) is expected, why


def test_the_last_verdict_of_each_model_counts(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    declared = {name: model(name) for name in ("own", "twice", "old", "waiting")}
    declared["quarterly"] = model("quarterly", "quarter")

    def verdict(name: str, p: float | None, window: str = WINDOW.key, **body: Any) -> None:
        fleet = {"p_value": p} if p is not None else None
        ledger.append(health_verdict(window, fleet=fleet, **body), model=name, subject=window)

    verdict("own", 0.2)
    verdict("twice", 1e-9)
    verdict("twice", 0.004)
    verdict("twice", 1e-9, "2021-03-01")
    verdict("old", None)
    verdict("quarterly", 1e-9)
    verdict("undeclared", 1e-9)
    found = among_the_fleet(ledger.state(), declared, "own", WINDOW, 0.004)
    assert (found.models, found.judged) == (4, 2), "a verdict from before p-values were recorded counts as none"
    assert found.adjusted == pytest.approx(0.004 * 4 / 2)
