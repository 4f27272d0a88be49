"""`GovernedModel`: the Dagster component that turns one declaration into one model's lineage graph.

Belongs here: how Dagster loads, documents and scaffolds a declaration. What may be declared is in
`mlops_assets.declaration`; which assets come from it is in `pipeline/stage_table.py`.
"""

import textwrap
from pathlib import Path
from typing import Any, Self

import dagster as dg
from click import ClickException
from dagster.components import Scaffolder, ScaffoldRequest
from pydantic import BaseModel

from mlops_assets.datasets.sources import SourceError, scan
from mlops_assets.datasets.suggestion import suggest
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.source import Source
from mlops_assets.discovery.starter import starter
from mlops_assets.orchestration.assets import build_assets
from mlops_assets.orchestration.jobs import model_jobs
from mlops_assets.pipeline.stage_table import STAGES, StageSpec
from mlops_assets.project import named


class ScaffoldParameters(BaseModel):
    """What a scaffolded declaration may be filled in from."""

    source: str | None = None
    """Table to look at, relative to the project's root: columns, roles, time, target and windows are suggested from it."""
    target: str | None = None
    """Column to predict, where its name does not tell."""


class ModelScaffolder(Scaffolder[ScaffoldParameters]):
    """Writes a commented starter for `dg scaffold defs mlops_assets.GovernedModel models/<name> [--source TABLE]`."""

    @classmethod
    def get_scaffold_params(cls) -> type[ScaffoldParameters]:
        """`--source` and `--target`."""
        return ScaffoldParameters

    def scaffold(self, request: ScaffoldRequest[ScaffoldParameters]) -> None:
        """Write `defs.yaml` into the new model's folder."""
        folder, parameters = Path(request.target_path), request.params
        text = starter(folder.name)
        if parameters.source is not None:
            try:
                table = scan(Source(path=parameters.source), request.project_root or Path())
                text = starter(folder.name, path=parameters.source, table=suggest(table, target=parameters.target))
            except SourceError as error:
                # `dg` has made the folder, and would refuse the next try because of it.
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()
                hint = ""
                if parameters.target is not None and f"missing column {parameters.target!r}" in str(error):
                    hint = (
                        " Where outcomes come from a source of their own, leave out --target, and declare `target` and `outcomes` "
                        "in the file."
                    )
                raise ClickException(f"{error}{hint}") from error
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "defs.yaml").write_text(text, encoding="utf-8")


@dg.scaffold_with(ModelScaffolder)
class GovernedModel(dg.Component):
    """One governed model: from rows to champion, card and monitoring verdicts.

    A working `defs.yaml`:

    ```yaml
    type: mlops_assets.GovernedModel
    attributes:
      purpose: Probability that a guaranteed small-business loan is charged off.
      owner: team:credit-risk
      developers: [developer]
      tier: high
      task: binary
      source: {path: data/sba_loans.parquet}
      id: loan_id
      event_time: approval_date
      target: default
      features: {employees: numeric, state: categorical}
      training: {until: 2003-10-01, window: 36 months}
      monitoring: {cadence: quarter}
    ```

    Subclass it to change a model's graph: `stages` says which stages there are, `asset_spec` may change any asset.
    """

    def __init__(self, declaration: Declaration) -> None:
        self.declaration = declaration

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """The schema of `attributes`."""
        return Declaration

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """How `dg list components` shows it."""
        return dg.ComponentTypeSpec(
            description=textwrap.dedent(cls.__doc__ or ""), tags=["machine learning", "governance"]
        )

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """Make the component from validated attributes; the name defaults to the folder's."""
        if not isinstance(attributes, Declaration):
            raise dg.DagsterInvalidDefinitionError(f"{context.path}: found no attributes, expected a declaration")
        return cls(named(attributes, context.path.name))

    def stages(self) -> tuple[StageSpec, ...]:
        """The stages of this model's graph, in the order in which data walks through them."""
        return STAGES

    def asset_spec(self, spec: dg.AssetSpec) -> dg.AssetSpec:
        """Hook: the spec of each asset, as it will be used."""
        return spec

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Assets, checks and jobs of the model."""
        return self.definitions()

    def definitions(self, path: Path | None = None) -> dg.Definitions:
        """The same without a load context.

        Args:
            path: of the `defs.yaml`, to which each asset refers; Dagster adds it where it reads the file itself.
        """
        assets = build_assets(self.declaration, self.stages(), refer_to(path) if path is not None else {})
        if type(self).asset_spec is not GovernedModel.asset_spec:
            assets = [asset.map_asset_specs(self.asset_spec) for asset in assets]
        return dg.Definitions(assets=assets, jobs=model_jobs(self.declaration, self.stages()))


def refer_to(path: Path) -> dict[str, Any]:
    """Metadata that leads from an asset to the file that declares it."""
    reference = dg.LocalFileCodeReference(file_path=str(path), line_number=1)
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference])}
