"""A model that cannot be read, made visible: an asset that says why, with a check that fails."""

import dagster as dg


def broken_asset(name: str, reason: str) -> dg.AssetsDefinition:
    """The stand-in for the graph of a broken model; materializing it fails with the reason."""
    key = dg.AssetKey([name, "broken_declaration"])

    @dg.asset(
        key=key,
        group_name=name,
        description=f"**This declaration is broken and nothing of it runs.**\n\n```\n{reason}\n```",
        kinds={"broken"},
        metadata={"reason": reason},
        check_specs=[dg.AssetCheckSpec("declaration", asset=key, description="Can the declaration be read?")],
    )
    def broken() -> dg.MaterializeResult:
        raise dg.Failure(description=f"{name}: {reason}", allow_retries=False)

    return broken
