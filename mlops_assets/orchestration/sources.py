"""The tables that models read, as external assets: the lineage shows which models one broken table touches."""

from collections import defaultdict
from collections.abc import Sequence

import dagster as dg

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.source import Source


def source_specs(declarations: Sequence[Declaration]) -> list[dg.AssetSpec]:
    """One external asset a source, however many models read it; a source that is another asset has its own already."""
    readers: dict[tuple[str, ...], list[Declaration]] = defaultdict(list)
    where: dict[tuple[str, ...], Source] = {}
    for declaration in declarations:
        for source in declaration.sources:
            if source.asset is None:
                where[source.key] = source
                readers[source.key].append(declaration)
    return [
        dg.AssetSpec(
            dg.AssetKey(list(key)),
            deps=[dg.AssetKey(name.split("/")) for name in where[key].upstream],
            description=f"Read by {', '.join(d.name for d in used)}.",
            group_name="sources",
            kinds={"table"},
            metadata=_where(where[key]),
        )
        for key, used in readers.items()
    ]


def _where(source: Source) -> dict[str, str]:
    """The path, the query or the reader of a source, whichever it has."""
    return {
        name: text for name, text in (("path", source.path), ("query", source.sql), ("reader", source.reader)) if text
    }
