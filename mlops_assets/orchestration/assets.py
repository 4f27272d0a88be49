"""Stages as assets: one table of what the graph of a model consists of, and one factory that turns a row into an asset.

Belongs here: keys, dependencies, descriptions, checks and partitions of a model's assets. What a stage does is in
`pipeline/stages/`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Cadence
from mlops_assets.orchestration.columns import lineage_of, schema_of
from mlops_assets.orchestration.metadata import check_metadata, page_link, to_metadata
from mlops_assets.orchestration.resource import PlatformResource
from mlops_assets.orchestration.tracking import mlflow_run
from mlops_assets.pipeline.context import StageContext, StageResult
from mlops_assets.pipeline.stage_table import WINDOW_CHECKS, StageSpec, question

if TYPE_CHECKING:
    from mlops_assets.gates.gate import GateResult
    from mlops_assets.policy.policy import Policy

MODEL_TAG = "mlops/model"


def asset_key(model: str, stage: str) -> dg.AssetKey:
    """Key of one of a model's assets."""
    return dg.AssetKey([model, stage])


def owners_of(declaration: Declaration) -> list[str]:
    """Owner in the form Dagster takes: an e-mail address or `team:name`."""
    owner = declaration.owner
    return [owner if "@" in owner or owner.startswith("team:") else f"team:{owner.replace(' ', '-')}"]


def window_partitions(declaration: Declaration) -> dg.TimeWindowPartitionsDefinition:
    """Partitions of the declared windows; the key is the window's start."""
    from mlops_assets.datasets.windows import cron_of, window_start

    cadence = declaration.monitoring.cadence
    start = declaration.monitoring.start or declaration.training.until
    assert start is not None
    end = declaration.monitoring.end
    return dg.TimeWindowPartitionsDefinition(
        start=window_start(start, cadence).isoformat(),
        end=end.isoformat() if end else None,
        fmt="%Y-%m-%d",
        cron_schedule=cron_of(cadence),
    )


def build_assets(declaration: Declaration, stages: Sequence[StageSpec]) -> list[dg.AssetsDefinition]:
    """The assets of one model; a model without time has no windowed ones."""
    partitions = window_partitions(declaration) if declaration.has_time else None
    return [
        _build(declaration, stage, partitions if stage.windowed else None)
        for stage in stages
        if partitions is not None or not stage.windowed
    ]


def _build(
    declaration: Declaration, stage: StageSpec, partitions: dg.PartitionsDefinition | None
) -> dg.AssetsDefinition:
    model = declaration.name
    key = asset_key(model, stage.name)
    deps: list[dg.AssetDep] = [dg.AssetDep(asset_key(model, name)) for name in stage.deps]
    if not stage.deps or stage.name in ("predictions", "outcomes"):
        deps.append(dg.AssetDep(dg.AssetKey(list(declaration.source.key))))
    spec = dg.AssetSpec(
        key,
        deps=deps,
        description=f"{stage.description}\n\n_{declaration.purpose}_",
        metadata={**schema_of(declaration, stage.name), **page_link(f"models/{model}.html")},
        group_name=model,
        owners=owners_of(declaration),
        kinds=set(stage.kinds),
        tags={"mlops/tier": declaration.tier.value, "mlops/task": declaration.task.value},
        partitions_def=partitions,
    )
    checks = [
        dg.AssetCheckSpec(gate, asset=key, blocking=gate in stage.blocking, description=question(gate))
        for gate in stage.gates
    ]

    @dg.multi_asset(name=f"{model}__{stage.name}", specs=[spec], check_specs=checks, op_tags={MODEL_TAG: model})
    def stage_asset(
        context: dg.AssetExecutionContext, platform: PlatformResource
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        stage_context = open_context(context, platform, declaration)
        result = stage.load()(stage_context)
        yield _materialized(key, result, lineage_of(declaration, stage.name))
        yield from _checks(stage_context.policy, stage, result, key)

    return stage_asset


def open_context(
    context: dg.AssetExecutionContext, platform: PlatformResource, declaration: Declaration
) -> StageContext:
    """The stage's place of work in this run."""
    from mlops_assets.datasets.windows import window_of_key
    from mlops_assets.governance.adoption import adopt

    opened = platform.open()
    window = None
    if context.has_partition_key:
        window = window_of_key(context.partition_key, declaration.monitoring.cadence)
    policy = opened.policy_of(declaration)
    # A decision names its policy, so a change is on record before anything is decided under it.
    adopt(opened.ledger, declaration.name, policy)
    return StageContext(
        platform=opened,
        declaration=declaration,
        policy=policy,
        run_id=context.run_id,
        job_name=context.job_name,
        window=window,
        tags=dict(context.run_tags),
        log=context.log.info,
        open_mlflow_run=mlflow_run,
    )


def _materialized(key: dg.AssetKey, result: StageResult, lineage: Mapping[str, Any]) -> dg.MaterializeResult:
    version = dg.DataVersion(result.data_version) if result.data_version else None
    metadata = {**to_metadata(result.metadata), **lineage}
    rows = result.metadata.get("rows")
    if isinstance(rows, int):
        # Dagster draws this one over time.
        metadata["dagster/row_count"] = rows
    return dg.MaterializeResult(asset_key=key, metadata=metadata, data_version=version)


def _checks(policy: "Policy", stage: StageSpec, result: StageResult, key: dg.AssetKey) -> Iterator[dg.AssetCheckResult]:
    decided = {result.gate: result for result in result.decisions}
    missing = [gate for gate in stage.gates if gate not in decided]
    if missing:
        raise dg.DagsterInvariantViolationError(f"{stage.name}: decided nothing on {', '.join(missing)}")
    for gate in stage.gates:
        yield _check(policy, decided[gate], key)


def _check(policy: "Policy", result: "GateResult", key: dg.AssetKey) -> dg.AssetCheckResult:
    from mlops_assets.governance.decisions import blocks

    # What is decided on a window is no gate of a version, and always matters.
    windowed = result.gate in WINDOW_CHECKS
    required = windowed or policy.gates.rule(result.gate).required
    grave = (
        result.outcome == "failed"
        if windowed
        else blocks(policy, result.gate, result.outcome, bool(result.details.get("absent")))
    )
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=result.gate,
        passed=result.outcome == "passed",
        severity=dg.AssetCheckSeverity.ERROR if grave else dg.AssetCheckSeverity.WARN,
        description=result.reason,
        metadata=check_metadata(result, policy.tier, policy.digest, required),
    )


def cadences(declarations: Sequence[Declaration]) -> list[Cadence]:
    """Cadences in use, shortest first."""
    used = {d.monitoring.cadence for d in declarations if d.has_time}
    return [cadence for cadence in Cadence if cadence in used]
