"""The facts and the report of an incident, filled in from records of a life."""

import pytest

from mlops_assets.evidence.incident_facts import incident_facts
from mlops_assets.evidence.incident_report import OPEN, incident_report
from mlops_assets.evidence.incident_rows import incident_rows
from mlops_assets.ledger.events import champion, response, windows
from mlops_assets.response.incidents import IncidentError
from mlops_assets_tests.evidence.life import MODEL, Life, at

QUARTERS = ("2004-01-01", "2004-04-01", "2004-07-01", "2004-10-01")


@pytest.fixture
def shifted(life: Life) -> Life:
    """A version that decides, two windows that show a shift, an incident, and a suspension while it is open."""
    life.adopt(when="2003-09-19")
    life.release("1", "2003-09-20")
    for number, severity in enumerate(("act", "critical", "none")):
        window = QUARTERS[number]
        life.judge(window, QUARTERS[number + 1], severity, "label_shift" if severity != "none" else "none", "1")
        life.write(windows.WindowScored(version=1, rows=100, quarantined=3), window, QUARTERS[number + 1])
    life.incident("inc-1", "2004-10-02", cause="label_shift:v1", summary="Defaults | doubled")
    life.intervene("developer", champion.Suspension, "1", "prices are wrong")
    return life


def close(life: Life) -> None:
    opened = next(iter(life.ledger.of(response.IncidentOpened)))
    about = {"incident": opened.digest}
    life.write(life.sign("validator", response.IncidentMitigated, about, id="inc-1", note="limits lowered"), "inc-1")
    life.close("model-risk", opened, "a new <product>")


def test_the_facts_are_those_of_the_windows_that_show_it(shifted: Life) -> None:
    facts = incident_facts(shifted.ledger, "inc-1")
    (one,) = facts.concerned
    assert one.windows == {"2004-01-01": "act", "2004-04-01": "critical"}
    assert (one.predictions, one.quarantined, one.versions) == (200, 6, ("1",))
    said = facts.to_dict()
    assert (said["first_window"], said["last_window"], said["worst"]) == ("2004-01-01", "2004-04-01", "critical")
    assert said["since"] == "2 windows from 2004-01-01 to 2004-04-01. Since then 1 window was judged without it."
    assert [text.split(":")[0] for _, text in facts.events][-2:] == ["Incident inc-1 opened (label shift)", MODEL]
    with pytest.raises(IncidentError):
        incident_facts(shifted.ledger, "inc-9")


def test_the_report_says_what_is_recorded_and_asks_what_is_not(shifted: Life) -> None:
    open_one = incident_report(incident_facts(shifted.ledger, "inc-1"), at("2004-07-01"), "https://wiki.bank.example/x")
    assert "what is missing until it can be closed" in open_one
    assert "Nobody acknowledged it" in open_one
    assert "Nothing is recorded yet." in open_one
    close(shifted)
    text = incident_report(incident_facts(shifted.ledger, "inc-1"), at("2004-07-01"))
    done, _, asked = text.partition(OPEN)
    for said in (
        r"Defaults \| doubled",
        "| Severity | critical |",
        "| 1 | acknowledged | – | not yet | – |",
        f"| {MODEL} | 2004-01-01 (act), 2004-04-01 (critical) | 1 | 200 | 6 | – |",
        "200 predictions were made in the windows that show it.",
        f"{MODEL}: Suspended by developer: prices are wrong.",
        "- Mitigated by validator: limits lowered",
        "- Closed as true by model-risk: a new &lt;product&gt;",
    ):
        assert said in done
    assert "Were the 200 predictions used" in asked
    assert asked.count("_To be answered._") == 5


def test_a_line_of_the_table_says_how_it_stands(shifted: Life) -> None:
    (row,) = incident_rows(shifted.ledger.state(), MODEL)
    assert (row.windows, row.state) == ("2004-01-01 to 2004-04-01", "open")
    close(shifted)
    assert incident_rows(shifted.ledger.state(), MODEL)[0].state == "closed, true"
