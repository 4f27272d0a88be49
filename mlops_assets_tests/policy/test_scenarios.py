"""No value of a policy is accepted and ignored: each field has a scenario in which another value has another effect."""

from pathlib import Path
from typing import Any

import pytest

from mlops_assets.policy.policy import Policy
from mlops_assets_tests.governance.world import policy
from mlops_assets_tests.policy.scenarios import EXEMPT, SCENARIOS
from mlops_assets_tests.policy.test_policy import fields


def with_values(values: dict[str, Any]) -> Policy:
    content: dict[str, Any] = {}
    for name, value in values.items():
        *way, last = name.split(".")
        place = content
        for part in way:
            place = place.setdefault(part, {})
        place[last] = value
    return policy(**content)


def test_every_field_has_a_scenario_or_a_reason_why_not():
    assert {name for name, _ in fields()} == {*SCENARIOS, *EXEMPT}


@pytest.mark.parametrize("name", SCENARIOS)
def test_another_value_has_another_effect(name: str, tmp_path: Path):
    scenario = SCENARIOS[name]
    found = []
    for value in (scenario.one, scenario.other):
        folder = tmp_path / str(len(found))
        folder.mkdir()
        found.append(scenario.effect(with_values({**scenario.beside, name: value}), folder))
    assert found[0] != found[1]
