"""How much work something is, as a number that is the same on every machine: calls of Python functions."""

import cProfile
import pstats
from collections.abc import Callable
from typing import Any, cast

import dagster as dg


def calls(of: Callable[[], Any]) -> int:
    """How many calls of functions one call of `of` takes."""
    profile = cProfile.Profile()
    profile.enable()
    try:
        of()
    finally:
        profile.disable()
    return cast(Any, pstats.Stats(profile)).total_calls


def load_plain(models: int, assets: int) -> None:
    """Make and resolve definitions of trivial assets: `models` groups of `assets`, each asset after the one before."""

    def made(model: int, place: int) -> dg.AssetsDefinition:
        before = [dg.AssetKey([f"m{model}", f"a{place - 1}"])] if place else []

        @dg.asset(key=[f"m{model}", f"a{place}"], deps=before, group_name=f"m{model}")
        def trivial() -> None: ...

        return trivial

    whole = dg.Definitions(assets=[made(model, place) for model in range(models) for place in range(assets)])
    whole.get_repository_def().get_all_jobs()
