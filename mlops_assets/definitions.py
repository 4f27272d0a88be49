"""What Dagster loads."""

from pathlib import Path

import dagster as dg

from mlops_assets.orchestration.build import code_locations, load_definitions

DEFS = Path(__file__).parent / "defs"
# In a large project: one code location for each folder of models, as `mlops locations` writes them.
__getattr__ = code_locations(DEFS)


@dg.definitions
def defs() -> dg.Definitions:
    """The example fleet; a bank's own project has the same lines over its own `defs` folder."""
    return load_definitions(DEFS)
