from typing import Any

import pytest

from mlops_assets_tests.gates.checks import Case, F, N, P, Shown, check, check_shown, decided


def part(difference=-0.05, n=200, p=0.01, measurable=True, name="sector = 44") -> dict[str, Any]:
    return {
        "slice": name,
        "n": n,
        "value": None if difference is None else 0.7 + difference,
        "difference": difference,
        "p_adjusted": p,
        "measurable": measurable,
        "reason": "" if measurable else "too few rows",
    }


def slices(*declared, found=()) -> dict[str, Any]:
    return {"metric": "roc_auc", "overall": 0.7, "declared": list(declared), "found": list(found)}


CASES: list[Case] = [
    # rule, evidence, outcome, why
    ({"max_gap": 0.05}, slices(part(-0.05)), P, "exactly the gap"),
    ({"max_gap": 0.05}, slices(part(-0.0501)), F, "just beyond the gap"),
    ({"max_gap": 0.05}, slices(part(-0.2, p=0.0499)), F, "just significant"),
    ({"max_gap": 0.05}, slices(part(-0.2, p=0.05)), P, "not significant: chance explains it"),
    ({"max_gap": 0.05}, slices(part(-0.2, n=199)), N, "the only slice is too small"),
    ({"max_gap": 0.05}, slices(part(-0.2, n=200)), F, "just large enough"),
    ({}, slices(part(None, measurable=False)), N, "one outcome only in the slice"),
    ({}, slices(), N, "no slice declared"),
    ({}, slices(part(), found=[part(-0.3)]), P, "found slices are shown only"),
    ({"include_found": True}, slices(part(), found=[part(-0.3)]), F, "found slices count"),
    ({}, slices(part(0.1)), P, "a slice better than the whole"),
]

SHOWN: list[Shown] = [
    # rule, evidence, value, threshold, words in rule or reason
    ({}, slices(part(-0.02, name="x"), part(-0.05, name="y"), part(0.1, name="z")), 0.05, 0.1, ["is y (-0.050)"]),
    (
        {},
        slices(part(), part(n=9, name="small"), part(n=150, name="mid")),
        0.05,
        0.1,
        ["not measured: mid (150 rows), small (9 rows)"],
    ),
    ({}, slices(part(None, n=200, measurable=False, name="odd")), None, 0.1, ["odd (200 rows, too few rows)"]),
]


@pytest.mark.parametrize("case", CASES, ids=[case[-1] for case in CASES])
def test_outcome(case: Case) -> None:
    check("slices", *case)


@pytest.mark.parametrize("shown", SHOWN)
def test_what_is_shown(shown: Shown) -> None:
    check_shown("slices", *shown)


def test_a_refusal_names_the_slice_and_the_numbers() -> None:
    reason = decided("slices", {}, slices(part(-0.3))).reason
    assert all(word in reason for word in ("sector = 44", "-0.300", "200 rows"))


def test_every_slice_that_is_too_small_is_named_with_its_size() -> None:
    small = [part(name=f"sector = {n}", n=n) for n in range(10, 19)]
    for others, outcome in (([], N), ([part()], P), ([part(-0.5, p=0.0)], F)):
        found = decided("slices", {}, slices(*small, *others))
        assert found.outcome == outcome
        assert all(f"sector = {n} ({n} rows)" in found.reason for n in range(10, 19)), found.reason
    known = decided("slices", {}, slices(part(), part(None, n=500, measurable=False, name="b")))
    assert "b (500 rows, too few rows)" in known.reason


def test_a_found_slice_with_the_name_of_a_declared_one_counts_too() -> None:
    assert decided("slices", {"include_found": True}, slices(part(), found=[part(-0.3)])).outcome == F
    assert decided("slices", {"include_found": True}, slices(part(-0.3), found=[part()])).outcome == F


def test_nothing_to_measure_is_marked() -> None:
    assert decided("slices", {}, slices()).details["absent"] is True
