"""What became of an incident: later windows that show the same, the gravest of them, and another champion."""

import pytest

from mlops_assets.evidence.attention import attention
from mlops_assets.response.incident_life import IncidentLife, incident_life
from mlops_assets_tests.evidence.life import MODEL, Life

QUARTERS = ("2004-01-01", "2004-04-01", "2004-07-01", "2004-10-01", "2005-01-01")


@pytest.fixture
def living(life: Life):
    """A version that decides, and an incident of its first window."""
    life.adopt(when="2003-09-19")
    life.release("1", "2003-09-20")

    def judged(*severities: str, kind: str = "label_shift", version: str = "1", **fields):
        for number, severity in enumerate(severities):
            life.judge(QUARTERS[number], QUARTERS[number + 1], severity, kind, version, **fields)

    def found(identity: str = "inc-1", **fields) -> IncidentLife:
        life.incident(identity, "2005-01-02", cause="label_shift:v1", **fields)
        state = life.ledger.state().model(MODEL)
        return incident_life(state.incidents[identity], lambda _: state)

    return judged, found


def test_windows_that_show_the_same_belong_to_it(living):
    judged, found = living
    judged("act", "none", "critical", "watch")
    assert found() == IncidentLife(("2004-01-01", "2004-07-01"), "critical", 1, {})


def test_other_kinds_versions_columns_and_earlier_windows_do_not(living):
    judged, found = living
    judged("act", "act", kind="concept_drift")
    assert found().windows == ()
    judged("act", version="2")
    assert found().windows == ()
    judged("act", columns=("state",))
    assert found("inc-2", columns=("term",)).windows == ()
    assert found("inc-3", window="2004-04-01").windows == ()


def test_one_about_a_version_that_decides_no_more_presses_no_more(living, life: Life):
    judged, found = living
    judged("act", "act")
    assert not found().is_past
    row = {"error": "", "tier_assessment": None, "open_findings": (), "exceptions": (), "champion": 1}
    urgency = {}
    for version in ("1", "2"):
        if version == "2":
            life.release("2", "2005-02-01")
        state = life.ledger.state().model(MODEL)
        (item,) = [i for i in attention(_Row(row), state, life.clock.at) if i.kind == "incident"]
        urgency[version] = (item.urgency, item.detail)
    assert urgency["1"] == ("now", "2 windows from 2004-01-01 to 2004-04-01. Defaults doubled")
    assert urgency["2"] == ("open", "Version 2 decides now. 2 windows from 2004-01-01 to 2004-04-01. Defaults doubled")


def test_a_severity_that_this_release_does_not_know_ranks_below_the_others(living):
    judged, found = living
    assert found(severity="urgent").worst == "urgent"
    judged("act")
    assert found().worst == "act"


class _Row(dict):
    """A row of the inventory that has nothing but what is given."""

    def __missing__(self, name):
        return ()
