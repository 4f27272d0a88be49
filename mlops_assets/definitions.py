"""What Dagster loads."""

from pathlib import Path

import dagster as dg

from mlops_assets.orchestration.build import load_definitions


@dg.definitions
def defs() -> dg.Definitions:
    """The example fleet; a bank's own project has the same lines over its own `defs` folder."""
    return load_definitions(Path(__file__).parent / "defs")
