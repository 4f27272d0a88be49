"""A small form of `benchmarks/trait_streams.py`: a window of each trait, with what is right written down there."""

from pathlib import Path

import pytest

from benchmarks.published_streams import judge
from benchmarks.trait_streams import QUIET, REFERENCE, SIZE, TRAITS, stream_of
from mlops_assets.monitoring.severity import at_least

SEED = 9090


@pytest.mark.parametrize("name", [name for name, trait in TRAITS.items() if trait.kinds])
def test_the_kind_is_named_first_and_every_cause_among_the_first_two(name: str, tmp_path: Path):
    trait = TRAITS[name]
    start = REFERENCE + QUIET * SIZE
    health = judge(
        stream_of(name, trait, SEED), start, trait.size, tmp_path, ordered=True, outcomes=trait.outcomes
    ).health
    kinds = [cause.kind for cause in health.causes]
    assert kinds[0] in trait.kinds
    assert kinds[0] not in trait.never
    assert set(kinds[:2]) >= set(trait.both)


@pytest.mark.parametrize("name", ["calendar and economy", "small sparse windows"])
def test_without_a_change_there_is_none(name: str, tmp_path: Path):
    trait = TRAITS[name]
    health = judge(stream_of(name, trait, SEED), REFERENCE, trait.size, tmp_path, ordered=True, outcomes=True).health
    assert not at_least(health.severity, "watch"), health.reasons
