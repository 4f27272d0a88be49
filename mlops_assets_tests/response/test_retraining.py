"""When a verdict may start a training, when it must wait, and what one request in flight means."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest

from mlops_assets.declaration.terms import Cadence
from mlops_assets.ledger.events.response import RetrainingRequested
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.signed_acts import sign_act
from mlops_assets.policy.policy import Policy
from mlops_assets.response.retraining import (
    REQUEST_TAG,
    close,
    consider,
    open_requests,
    request_of,
    windows_between,
)
from mlops_assets_tests.governance.world import World

QUARTERS = [date(2004 + i // 4, 1 + 3 * (i % 4), 1) for i in range(12)]


@pytest.fixture
def ledger(world) -> Ledger:
    return world.ledger


def signed_by(world: World, rule: Policy, window: date, kind: str = "manual") -> dict[str, Any]:
    """The envelope of a validator's request, for the request that `ask` makes."""
    day = window.isoformat()
    statement = {"cause": "c", "kind": kind, "window": day, "until": day}
    return sign_act(
        world.ledger, world.keys["validator"], RetrainingRequested.PURPOSE, "m", {"policy": rule.digest}, statement
    )["envelope"]


def policy(mode="automatic", cooldown=0, budget=100) -> Policy:
    rule = {"mode": mode, "cooldown_windows": cooldown, "budget_per_year": budget}
    return Policy.model_validate({"tier": "high", "approvals": [], "retraining": rule})


def ask(ledger, rule, window=QUARTERS[0], model="m", kind="concept_drift", **more):
    return consider(
        ledger, rule, model, cause="c", kind=kind, window=window, until=window, cadence=Cadence.QUARTER, **more
    )


def asked_and_closed(ledger, rule, window, **more):
    found = ask(ledger, rule, window, **more)
    if found.status == "requested":
        assert found.request is not None
        close(ledger, found.request, "challenger", version=2)
    return found.status


def test_a_verdict_starts_a_training_once(ledger):
    first, again = ask(ledger, policy()), ask(ledger, policy())
    assert (first.status, again.status) == ("requested", "known")
    assert first.request == again.request
    assert first.requested
    assert again.requested
    assert first.request is not None
    assert first.request.event.automatic is True
    assert first.request.event.until == date(2004, 1, 1)


def test_one_request_is_in_flight_at_a_time(ledger):
    first = ask(ledger, policy())
    second = ask(ledger, policy(), QUARTERS[1])
    assert second.status == "in_flight"
    assert not second.requested
    assert second.request == first.request
    assert open_requests(ledger.state()) == [first.request]
    assert first.request is not None
    close(ledger, first.request, "failed")
    assert open_requests(ledger.state()) == []
    assert ask(ledger, policy(), QUARTERS[1]).status == "requested"


def test_models_do_not_wait_for_each_other(ledger):
    assert ask(ledger, policy(), model="a").status == "requested"
    assert ask(ledger, policy(), model="b").status == "requested"
    assert [r.model for r in open_requests(ledger.state())] == ["a", "b"]
    assert [r.model for r in open_requests(ledger.state(), ["b"])] == ["b"]


@pytest.mark.parametrize(
    ("cooldown", "expected"),
    [
        (0, ["requested", "requested", "requested", "requested"]),
        (1, ["requested", "cooling_down", "requested", "cooling_down"]),
        (2, ["requested", "cooling_down", "cooling_down", "requested"]),
    ],
)
def test_cool_down_is_counted_in_windows(ledger, cooldown, expected):
    rule = policy(cooldown=cooldown)
    assert [asked_and_closed(ledger, rule, window) for window in QUARTERS[:4]] == expected


def test_the_same_window_cools_down_too(ledger):
    asked_and_closed(ledger, policy(), QUARTERS[0])
    assert ask(ledger, policy(), QUARTERS[0], kind="label_shift").status == "cooling_down"


def test_the_budget_is_of_any_365_days(ledger):
    rule = policy(budget=2)
    assert [asked_and_closed(ledger, rule, window) for window in QUARTERS[:7]] == [
        "requested",
        "requested",
        "budget_spent",
        "budget_spent",
        "requested",
        "requested",
        "budget_spent",
    ]


def test_no_budget_means_no_automatic_request(ledger):
    found = ask(ledger, policy(budget=0))
    assert found.status == "budget_spent"
    assert found.command == "mlops retrain m --key PEM --rationale TEXT"


def test_a_signed_request_waits_for_neither_cool_down_nor_budget(world, ledger):
    rule = policy(cooldown=5, budget=1)
    asked_and_closed(ledger, rule, QUARTERS[0])
    assert ask(ledger, rule, QUARTERS[1]).status == "cooling_down"
    signed = ask(
        ledger, rule, QUARTERS[1], kind="manual", envelope=signed_by(world, rule, QUARTERS[1]), person="validator"
    )
    assert signed.status == "requested"
    assert signed.request is not None
    assert signed.request.event.automatic is False
    assert signed.request.event.person == "validator"


def test_a_signed_request_does_not_use_the_budget_up(world, ledger):
    rule = policy(budget=1)
    asked_and_closed(
        ledger, rule, QUARTERS[0], kind="manual", envelope=signed_by(world, rule, QUARTERS[0]), person="validator"
    )
    assert len(ledger.state().model("m").requests) == 1
    assert ask(ledger, rule, QUARTERS[1]).status == "requested"


@pytest.mark.parametrize(
    ("mode", "signed", "status"),
    [
        ("on_signed_request", False, "needs_signature"),
        ("on_signed_request", True, "requested"),
        ("never", False, "never"),
        ("never", True, "never"),
    ],
)
def test_modes(world, ledger, mode, signed, status):
    by = (
        {"envelope": signed_by(world, policy(mode), QUARTERS[0], "concept_drift"), "person": "validator"}
        if signed
        else {}
    )
    found = ask(ledger, policy(mode), **by)
    assert found.status == status
    assert bool(found.command) == (status == "needs_signature")
    assert len(ledger.records(kind="retraining_request")) == (status == "requested")


def test_a_request_in_flight_holds_a_signed_one_too(world, ledger):
    ask(ledger, policy())
    found = ask(
        ledger,
        policy(),
        QUARTERS[1],
        envelope=signed_by(world, policy(), QUARTERS[1], "concept_drift"),
        person="validator",
    )
    assert found.status == "in_flight"


def test_a_request_that_nobody_signed_starts_no_training(ledger):
    ask(ledger, policy(), envelope={"payload": "x"}, person="validator")
    assert open_requests(ledger.state()) == []
    assert [refused.kind for refused in ledger.state().refused] == ["retraining_request"]


def test_closing_twice_keeps_the_first_closure(ledger):
    request = ask(ledger, policy()).request
    assert request is not None
    first = close(ledger, request, "promoted", version=3)
    assert close(ledger, request, "failed") == first
    assert (first.event.version, first.event.outcome, first.event.note) == ("3", "promoted", "")


def test_one_that_is_overtaken_between_looking_and_writing_is_not_made(tmp_path):
    url = f"sqlite:///{tmp_path}/ledger.db"
    other = Ledger(url)

    class Overtaken(Ledger):
        def state(self, *args, **kwargs):
            seen = super().state(*args, **kwargs)
            if not other.records(kind="retraining_request"):
                ask(other, policy(), QUARTERS[1])
            return seen

    assert ask(Overtaken(url), policy(), QUARTERS[0]).status == "in_flight"
    assert len(other.records(kind="retraining_request")) == 1


def test_of_many_at_once_one_is_made(tmp_path):
    url = f"sqlite:///{tmp_path}/ledger.db"
    Ledger(url)

    def attempt(i: int) -> str:
        return ask(Ledger(url), policy(), QUARTERS[i]).status

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(attempt, range(4)))
    assert sorted(found) == ["in_flight", "in_flight", "in_flight", "requested"]


@pytest.mark.parametrize(
    ("cadence", "later", "count"),
    [
        (Cadence.DAY, date(2024, 3, 1), 29),
        (Cadence.WEEK, date(2024, 2, 15), 2),
        (Cadence.MONTH, date(2025, 1, 1), 11),
        (Cadence.QUARTER, date(2025, 2, 1), 4),
        (Cadence.YEAR, date(2026, 2, 1), 2),
    ],
)
def test_windows_between(cadence, later, count):
    assert windows_between(date(2024, 2, 1), later, cadence) == count


def test_a_run_says_which_request_it_answers():
    assert request_of({REQUEST_TAG: "m-1"}) == "m-1"
    assert request_of({}) is None
