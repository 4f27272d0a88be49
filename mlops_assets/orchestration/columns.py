"""Columns of a model's tables as Dagster shows them: schema, and which column of the source each comes from.

Belongs here: what can be said from the declaration alone, without reading a row.
"""

from typing import Any

import dagster as dg

from mlops_assets.declaration.columns import Feature
from mlops_assets.declaration.declaration import Declaration

TABLES = ("training_data", "features")
"""Stages whose columns are those of the declaration."""


def schema_of(declaration: Declaration, stage: str) -> dict[str, Any]:
    """Definition metadata of a stage: its columns, for those stages that are tables; empty for the others."""
    if stage not in TABLES:
        return {}
    columns = [_feature(name, feature) for name, feature in declaration.features.items()]
    if stage == "training_data":
        columns = [*_around(declaration), *columns]
    return {"dagster/column_schema": dg.TableSchema(columns=columns)}


def lineage_of(declaration: Declaration, stage: str) -> dict[str, Any]:
    """Materialization metadata of a stage: where each of its columns comes from."""
    if stage not in TABLES:
        return {}
    source = (
        dg.AssetKey(list(declaration.source.key))
        if stage == "training_data"
        else dg.AssetKey([declaration.name, "training_data"])
    )
    schema = schema_of(declaration, stage)["dagster/column_schema"]
    deps = {column.name: [dg.TableColumnDep(source, column.name)] for column in schema.columns}
    return {"dagster/column_lineage": dg.TableColumnLineage(deps_by_column=deps)}


def _around(declaration: Declaration) -> list[dg.TableColumn]:
    """Columns that are no inputs: identifier, time, target, and protected attributes that are kept out."""
    found = [_column(declaration.id, "identifier", "Unique identifier of a row.", unique=True, nullable=False)]
    if declaration.event_time is not None:
        found.append(_column(declaration.event_time.column, "time", "When the row came into being."))
    found.append(_column(declaration.target.column, "target", "What the model predicts."))
    protected = [p.column for p in declaration.protected if p.column not in declaration.features]
    return [*found, *(_column(c, "protected", "Fairness is measured over it; no input.") for c in protected)]


def _feature(name: str, feature: Feature) -> dg.TableColumn:
    rules = []
    if feature.minimum is not None:
        rules.append(f"at least {feature.minimum:g}")
    if feature.maximum is not None:
        rules.append(f"at most {feature.maximum:g}")
    if feature.allowed is not None:
        rules.append(f"one of {', '.join(map(str, feature.allowed))}")
    return _column(name, feature.role.value, feature.description, nullable=feature.nullable, rules=rules)


def _column(
    name: str, kind: str, text: str, *, unique: bool = False, nullable: bool = True, rules: list[str] | None = None
) -> dg.TableColumn:
    constraints = dg.TableColumnConstraints(nullable=nullable, unique=unique, other=rules or [])
    return dg.TableColumn(name, type=kind, description=text or None, constraints=constraints)
