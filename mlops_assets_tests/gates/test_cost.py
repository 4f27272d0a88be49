from typing import Any

import pytest

from mlops_assets_tests.gates.checks import Case, F, N, P, check, decided


def costs(seconds=600.0, memory=None, disk=None) -> dict[str, Any]:
    return {"seconds_per_million": seconds, "memory_megabytes": memory, "disk_megabytes": disk}


CASES: list[Case] = [
    # rule, evidence, outcome, why
    ({}, costs(), P, "exactly the time"),
    ({}, costs(600.1), F, "just beyond the time"),
    ({}, costs(None, 3.0), N, "not timed"),
    ({"max_memory_megabytes": 3}, costs(memory=3.0), P, "exactly the memory"),
    ({"max_memory_megabytes": 3}, costs(memory=3.1), F, "too large in memory"),
    ({"max_disk_megabytes": 3}, costs(disk=3.0), P, "exactly the files"),
    ({"max_disk_megabytes": 3}, costs(disk=3.1), F, "too large on disk"),
    ({"max_disk_megabytes": 3}, costs(), N, "size of the files unknown"),
    ({"max_seconds_per_million": None}, costs(None), P, "no limit at all"),
]


@pytest.mark.parametrize("case", CASES, ids=[case[-1] for case in CASES])
def test_outcome(case: Case) -> None:
    check("cost", *case)


def test_numbers_and_machine_are_shown() -> None:
    refused = decided("cost", {}, costs(700.0))
    assert "700 seconds" in refused.reason
    assert "600" in refused.reason
    passed = decided("cost", {}, {**costs(1.5, 2.0, 3.0), "machine": "x86_64"})
    assert passed.passed
    assert all(word in passed.reason for word in ("1.5 seconds", "2 MB in memory", "3 MB on disk", "x86_64"))
