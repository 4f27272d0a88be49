"""The commented starter of a declaration: for `dg scaffold defs` and for `mlops discover --scaffold`."""

import json
from collections.abc import Sequence

STARTER = """\
{origin}type: mlops_assets.GovernedModel

attributes:
  purpose: What the model predicts, in one sentence that a reviewer understands.
  intended_use: The decisions it may be used in, and by whom.
  owner: team:your-team            # an e-mail address or team:name
  developers: [developer]          # enrolled names; none of them may approve the model
  tier: medium                     # high, medium or low: decides gates, approvals and monitoring (defs/policy/)
  task: {task:<26} # binary, multiclass or regression

  source:
    path: data/{name}.parquet      # Parquet, CSV or Delta; a glob or an fsspec URL; or sql: and connection:
  id: id                           # unique identifier of a row
  # event_time: created_at         # leave out for one snapshot without time: no windows, no monitoring
  target:
    column: target
    positive: 1                    # binary: the value that counts as the event
    favourable: negative           # binary: which prediction is good for the person

  features:                        # name: role, or name: {{role: …, minimum: …, maximum: …, allowed: […]}}
{features}

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


def starter(name: str, *, origin: str = "", task: str = "", inputs: Sequence[tuple[str, str]] = ()) -> str:
    """Text of a `defs.yaml` to be completed.

    Args:
        name: of the model.
        origin: what the declaration is for, a comment at its head; empty: none.
        task: `binary`, `multiclass` or `regression`; empty: not known, the most frequent one is written.
        inputs: names and roles of the inputs as far as they are known; empty: two examples.
    """
    features = inputs or (("amount", "numeric"), ("region", "categorical"))
    lines = "\n".join(f"    {_key(column)}: {role}" for column, role in features)
    head = "".join(f"# {line}\n" for line in origin.splitlines())
    return STARTER.format(name=name, origin=head, task=task or "binary", features=lines)


def _key(name: str) -> str:
    """A name as a YAML key: quoted unless it is a plain word."""
    return name if name.isidentifier() and name.lower() not in _WORDS else json.dumps(name, ensure_ascii=False)


_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
