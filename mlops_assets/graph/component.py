"""`GovernedModel`: the Dagster component that turns one declaration into one model's lineage graph.

Belongs here: how Dagster loads, documents and scaffolds a declaration. What may be declared is in
`mlops_assets.declaration`; which assets come from it is in `graph/model_graph.py`.
"""

import textwrap
from pathlib import Path
from typing import Self

import dagster as dg
from dagster.components import Scaffolder, ScaffoldRequest
from pydantic import BaseModel

from mlops_assets.declaration import Declaration
from mlops_assets.graph.assets import StageSpec, build_assets
from mlops_assets.graph.jobs import model_jobs
from mlops_assets.graph.model_graph import STAGES
from mlops_assets.project import named

STARTER = """\
type: mlops_assets.GovernedModel

attributes:
  purpose: What the model predicts, in one sentence that a reviewer understands.
  intended_use: The decisions it may be used in, and by whom.
  owner: team:your-team            # an e-mail address or team:name
  developers: [developer]          # enrolled names; none of them may approve the model
  tier: medium                     # high, medium or low: decides gates, approvals and monitoring (defs/policy/)
  task: binary                     # binary, multiclass or regression

  source:
    path: data/{name}.parquet      # Parquet, CSV or Delta; a glob or an fsspec URL; or sql: and connection:
  id: id                           # unique identifier of a row
  # event_time: created_at         # leave out for one snapshot without time: no windows, no monitoring
  target:
    column: target
    positive: 1                    # binary: the value that counts as the event
    favourable: negative           # binary: which prediction is good for the person

  features:                        # name: role, or name: {{role: …, minimum: …, maximum: …, allowed: […]}}
    amount: numeric
    region: categorical

  protected: []                    # fairness is measured over these; not inputs unless also listed above
  slices: []                       # segments that must not be served worse
  candidates: [linear, hist_gradient_boosting, random_forest]   # or your own module:function

  # With event_time, say where the first training ends and how production is watched:
  # training: {{until: 2025-01-01, window: 36 months}}
  # monitoring: {{cadence: month}}

  card:
    limitations: []
    human_oversight: Who looks at the predictions, and what they can overrule.
"""


class ModelScaffolder(Scaffolder):
    """Writes a commented starter for `dg scaffold defs mlops_assets.GovernedModel models/<name>`."""

    def scaffold(self, request: ScaffoldRequest) -> None:
        """Write `defs.yaml` into the new model's folder."""
        folder = Path(request.target_path)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "defs.yaml").write_text(STARTER.format(name=folder.name), encoding="utf-8")


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

    def definitions(self) -> dg.Definitions:
        """The same without a load context, for tests and plain Python."""
        assets = [asset.map_asset_specs(self.asset_spec) for asset in build_assets(self.declaration, self.stages())]
        return dg.Definitions(assets=assets, jobs=model_jobs(self.declaration, self.stages()))
