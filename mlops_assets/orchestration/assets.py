"""Stages as assets: one factory that turns a row of the stage table into an asset with its checks.

Belongs here: keys, dependencies, descriptions, checks, partitions and freshness of a model's assets. What a stage does is in
`pipeline/stages/`.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from inspect import signature
from typing import TYPE_CHECKING, Any

import dagster as dg

from mlops_assets import clock
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.orchestration.calendar import window_freshness
from mlops_assets.orchestration.columns import lineage_of, schema_of
from mlops_assets.orchestration.metadata import check_metadata, page_link, to_metadata
from mlops_assets.pipeline.context import StageContext, StageResult
from mlops_assets.pipeline.stage_table import WINDOW_CHECKS, StageSpec, question

if TYPE_CHECKING:
    from mlops_assets.gates.gate import GateResult
    from mlops_assets.platform import Platform
    from mlops_assets.policy.policy import Policy

MODEL_TAG = "mlops/model"
RESULT = "result"
"""Name of the output of an asset's operation, as `@dg.asset` calls it."""


def asset_key(model: str, stage: str) -> dg.AssetKey:
    """Key of one of a model's assets."""
    return dg.AssetKey([model, stage])


def owners_of(declaration: Declaration) -> list[str]:
    """Owner in the form Dagster takes: an e-mail address or `team:name`."""
    owner = declaration.owner
    return [owner if "@" in owner or owner.startswith("team:") else f"team:{owner.replace(' ', '-')}"]


def window_partitions(declaration: Declaration) -> dg.TimeWindowPartitionsDefinition:
    """Partitions of the declared windows; the key is the window's start."""
    from mlops_assets.datasets.windows import cron_of, last_end, window_start

    cadence = declaration.monitoring.cadence
    start = declaration.monitoring.start or declaration.training.until
    assert start is not None
    end = last_end(declaration)
    return dg.TimeWindowPartitionsDefinition(
        start=window_start(start, cadence).isoformat(),
        end=end.isoformat() if end else None,
        fmt="%Y-%m-%d",
        cron_schedule=cron_of(cadence),
    )


def build_assets(
    declaration: Declaration, stages: Sequence[StageSpec], metadata: Mapping[str, Any] | None = None
) -> list[dg.AssetsDefinition]:
    """The assets of one model, with that metadata each; a model without time has no windowed ones."""
    partitions = window_partitions(declaration) if declaration.has_time else None
    code = _model_code(declaration)
    page = {**page_link(f"models/{declaration.name}.html"), **(metadata or {})}
    return [
        _build(declaration, stage, code, partitions if stage.windowed else None, page)
        for stage in stages
        if partitions is not None or not stage.windowed
    ]


def _compute(context: dg.AssetExecutionContext) -> dg.MaterializeResult: ...


SIGNATURE = signature(_compute)
"""Of the function that computes an asset."""


def _build(
    declaration: Declaration,
    stage: StageSpec,
    code: str,
    partitions: dg.PartitionsDefinition | None,
    metadata: Mapping[str, Any],
) -> dg.AssetsDefinition:
    model, key = declaration.name, asset_key(declaration.name, stage.name)
    upstream = [asset_key(model, name) for name in stage.deps]
    if stage.reads_source:
        upstream += [dg.AssetKey(list(source.key)) for source in declaration.sources]
    description, version = f"{stage.description}\n\n_{declaration.purpose}_", _stage_code(code, stage)
    shown = {**schema_of(declaration, stage.name), **metadata}
    checks = [
        dg.AssetCheckSpec(gate, asset=key, blocking=gate in stage.blocking, description=question(gate))
        for gate in stage.gates
    ]
    checks_by_output = {check.get_python_identifier(): check for check in checks}
    keys_by_input = {upstream_key.to_python_identifier(): upstream_key for upstream_key in upstream}

    def stage_asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        stage_context = open_context(context, declaration)
        result = stage.load()(stage_context)
        return _materialized(stage, result, stage_context.policy, lineage_of(declaration, stage.name))

    # Dagster asks for it many times; without this it is worked out each time, for each asset of each model.
    stage_asset.__signature__ = SIGNATURE
    computation = dg.op(
        name=key.to_python_identifier(),
        description=description,
        ins={name: dg.In(dg.Nothing) for name in keys_by_input},
        out={
            RESULT: dg.Out(
                dg.Nothing, description=description, metadata=shown, io_manager_key="io_manager", code_version=version
            ),
            **{name: dg.Out(None) for name in checks_by_output},
        },
        tags={MODEL_TAG: model},
        code_version=version,
        required_resource_keys={"platform", *stage.resources},
    )(stage_asset)
    spec = dg.AssetSpec(
        key,
        deps=upstream,
        description=description,
        metadata=shown,
        group_name=model,
        owners=owners_of(declaration),
        kinds=set(stage.kinds),
        tags={"mlops/tier": declaration.tier.value, "mlops/task": declaration.task.value},
        code_version=version,
        partitions_def=partitions,
        freshness_policy=window_freshness(declaration, clock.today()) if partitions else None,
    )
    # What `@dg.asset` makes, without its inspection of the same function and its copies of the same spec for every model.
    return dg.AssetsDefinition(
        keys_by_input_name=keys_by_input,
        keys_by_output_name={RESULT: key},
        node_def=computation,
        specs=[spec],
        check_specs_by_output_name=checks_by_output,
    )


def _model_code(declaration: Declaration) -> str:
    """Version of what every stage of a model runs: the package with the model's own algorithms, and the declaration."""
    from mlops_assets.training.reproducibility import own_modules

    return f"{_loaded_code(own_modules(declaration))}/{declaration.digest[:12]}"


def _stage_code(model_code: str, stage: StageSpec) -> str:
    """The same with the bank's own gates of a stage."""
    from mlops_assets.gates.registry import GATES

    own = [code[:12] for name, code in GATES.codes().items() if name in stage.gates]
    return "/".join([model_code, *own])


@cache
def _loaded_code(modules: tuple[str, ...]) -> str:
    # Definitions show the code they were loaded with, which is the same for most models.
    from mlops_assets.training.reproducibility import code_version_with

    return code_version_with(modules)


def open_context(context: dg.AssetExecutionContext, declaration: Declaration) -> StageContext:
    """What the stage works on in this run."""
    from mlops_assets.datasets.windows import window_of_key
    from mlops_assets.governance.adoption import adopt

    platform: Platform = context.resources.platform.open()
    window = None
    if context.has_partition_key:
        window = window_of_key(context.partition_key, declaration.monitoring.cadence)
    policy = platform.policy_of(declaration)
    # A decision names its policy, so a change is on record before anything is decided under it.
    adopt(platform.ledger, declaration.name, policy)
    mlflow = getattr(context.resources, "mlflow", None)
    return StageContext(
        platform=platform,
        declaration=declaration,
        policy=policy,
        run_id=context.run_id,
        window=window,
        tags=dict(context.run_tags),
        log=context.log.info,
        open_mlflow_run=mlflow.run if mlflow is not None else None,
    )


def _materialized(
    stage: StageSpec, result: StageResult, policy: "Policy", lineage: Mapping[str, Any]
) -> dg.MaterializeResult:
    """What Dagster records of the stage: metadata, data version, and a check for each gate."""
    metadata = {**to_metadata(result.metadata), **lineage}
    rows = result.metadata.get("rows")
    if isinstance(rows, int):
        # Dagster draws this one over time.
        metadata["dagster/row_count"] = rows
    decided = {decision.gate: decision for decision in result.decisions}
    if missing := [gate for gate in stage.gates if gate not in decided]:
        raise dg.DagsterInvariantViolationError(
            f"{stage.name}: found no decision on {', '.join(missing)}, expected one for each gate of the stage"
        )
    return dg.MaterializeResult(
        metadata=metadata,
        data_version=dg.DataVersion(result.data_version) if result.data_version else None,
        check_results=[_check(policy, decided[gate]) for gate in stage.gates],
    )


def _check(policy: "Policy", result: "GateResult") -> dg.AssetCheckResult:
    from mlops_assets.governance.decisions import blocks

    # A check on a window is no gate of a version, and is always required.
    windowed = result.gate in WINDOW_CHECKS
    required = windowed or policy.gates.rule(result.gate).required
    grave = (
        result.outcome == "failed"
        if windowed
        else result.outcome != "not_applicable"
        and blocks(policy, result.gate, result.outcome, bool(result.details.get("absent")))
    )
    return dg.AssetCheckResult(
        check_name=result.gate,
        passed=result.outcome == "passed",
        severity=dg.AssetCheckSeverity.ERROR if grave else dg.AssetCheckSeverity.WARN,
        description=result.reason,
        metadata=check_metadata(result, policy.tier, policy.digest, required),
    )
