"""The text of `mlops status`: states, what needs attention with its command, and no severity where nothing was judged."""

import pytest

from mlops_assets.commands.fleet import Moment, print_status
from mlops_assets.evidence.attention import fleet_attention
from mlops_assets.evidence.inventory import inventory, status
from mlops_assets.ledger.events import champion
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.response.incidents import open_incident
from mlops_assets_tests.evidence.conftest import Declared, declaration_of
from mlops_assets_tests.evidence.life import MODEL, POLICY, Clock, Life, at

SBA = Declared(MODEL, declaration_of(MODEL))


@pytest.fixture
def life(tmp_path) -> Life:
    clock = Clock(at("2003-01-01"))
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", SigningKey.generate(), clock=clock)
    found = Life(ledger, clock, declaration=declaration_of(MODEL).model_dump(mode="json"))
    found.enrol()
    return found


def shown(life: Life, capsys: pytest.CaptureFixture[str], every: bool = False) -> str:
    fleet = [item.to_dict() for item in fleet_attention(life.ledger.state())]
    print_status(status(inventory(life.ledger, [SBA], {MODEL: POLICY}, life.clock.at)), fleet, every=every)
    return capsys.readouterr().out


def test_a_model_that_is_only_declared_asks_to_be_trained_and_has_no_severity(life: Life, capsys) -> None:
    text = shown(life, capsys)
    assert f"  {MODEL}: Not trained yet. It is declared" in text
    assert "development" in text
    assert "not_measurable" not in text, "no window was judged, so there is no severity to show"


def test_what_is_about_no_single_model_is_shown_too(life: Life, capsys) -> None:
    found = open_incident(life.ledger, "", kind="notifier_failing", severity="act", summary="Channel mail failed.")
    text = shown(life, capsys)
    assert f"  fleet: Incident {found.id}: notifier failing, act. Channel mail failed." in text
    assert (
        f"    mlops incident close {found.id} --disposition true|false|expected|data_fault --key KEY.pem --note TEXT    # validator, "
        in text
    )


def test_a_suspended_model_is_shown_as_suspended_with_the_command_that_resumes_it(life: Life, capsys) -> None:
    life.adopt(when="2003-09-19")
    life.release("1", "2003-09-20")
    life.intervene("developer", champion.Suspension, "1", "wrong prices", "2003-09-21")
    text = shown(life, capsys)
    assert "suspended" in text.splitlines()[1]
    assert f"  {MODEL}: Suspended: no version decides. Since 2003-09-21, by developer. wrong prices" in text
    assert f"    mlops resume {MODEL} --key KEY.pem --rationale TEXT" in text


def test_open_items_without_an_urgent_date_are_listed_for_one_model_only(life: Life, capsys) -> None:
    life.clock.at = at("2003-09-01")
    life.find("validator", "F1", "Sensors are not described", "2004-09-10", "low")
    assert "F1" not in shown(life, capsys)
    assert "Finding F1, low (due 2004-09-10)" in shown(life, capsys, every=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2004-01-15", "2004-01-15T23:59:59.999999"),
        ("2004-01-15T10:30", "2004-01-15T10:30:00"),
        ("2004-01-15T10:30:05Z", "2004-01-15T10:30:05"),
        ("2004-01-15 10:30", "2004-01-15T10:30:00"),
    ],
)
def test_a_date_is_the_end_of_its_day_and_a_time_is_itself(text: str, expected: str) -> None:
    assert Moment().convert(text, None, None) == at(expected)
