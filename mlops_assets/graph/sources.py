"""The tables that models read, as external assets: the lineage shows which models one broken table touches."""

from collections import defaultdict
from collections.abc import Sequence

import dagster as dg

from mlops_assets.declaration import Declaration


def source_specs(declarations: Sequence[Declaration]) -> list[dg.AssetSpec]:
    """One external asset a source, however many models read it; a source that is another asset has its own already."""
    readers: dict[tuple[str, ...], list[Declaration]] = defaultdict(list)
    for declaration in declarations:
        if declaration.source.asset is None:
            readers[declaration.source.key].append(declaration)
    return [
        dg.AssetSpec(
            dg.AssetKey(list(key)),
            description=f"Read by {', '.join(d.name for d in used)}.",
            group_name="sources",
            kinds={"table"},
            metadata={"path": used[0].source.path or "", "query": used[0].source.sql or ""},
        )
        for key, used in readers.items()
    ]
