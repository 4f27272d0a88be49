"""The commented starter of a declaration: for `dg scaffold defs` and for `mlops discover --scaffold`."""

import json
from collections.abc import Sequence

from mlops_assets.datasets.suggestion import Suggestion
from mlops_assets.declaration.terms import Task

STARTER = """\
{origin}type: mlops_assets.GovernedModel

attributes:
  purpose: What the model predicts, in one sentence that a reviewer understands.
  intended_use: The decisions it may be used in, and by whom.
  owner: team:your-team            # an e-mail address or team:name
  developers: [developer]          # enrolled names; none of them may approve the model
  tier: medium                     # high, medium or low: decides gates, approvals and monitoring (config/policy/)
  task: {task:<26} # binary, multiclass or regression

  source:
    path: {path:<24} # Parquet, CSV or Delta; a glob or an fsspec URL; or sql: and connection:
  id: {id:<28} # unique identifier of a row
{event_time}
  target:
    column: {target}{positive}

  features:                        # name: role, or name: {{role: …, minimum: …, maximum: …, allowed: […]}}
{features}

  protected: []                    # fairness is measured over these; not inputs unless also listed above
  slices: []                       # segments that must not be served worse
{made}

{calendar}

  card:
    limitations: []
    human_oversight: Who looks at the predictions, and what they can overrule.
"""
CANDIDATES = "  candidates: [linear, hist_gradient_boosting, random_forest]   # or your own module:function"
IMPORTED = """\
  origin: imported                 # its file is scored; to train the model here instead, replace these lines by candidates
  imported:
    artifact: {artifact}
    supplier: Who trained it, a team or a vendor
    # `mlops check {name} --data` says which sha256 to declare, and what else the file asks for"""
NO_TIME = "  # event_time: created_at         # leave out for one snapshot without time: no windows, no monitoring"
NO_CALENDAR = """\
  # With event_time, say where the first training ends and how production is watched:
  # training: {until: 2025-01-01, window: 36 months}
  # monitoring: {cadence: month}"""


def starter(
    name: str,
    *,
    origin: str = "",
    task: str = "",
    inputs: Sequence[tuple[str, str]] = (),
    path: str = "",
    artifact: str = "",
    table: Suggestion | None = None,
) -> str:
    """Text of a `defs.yaml` to be completed.

    Args:
        name: of the model.
        origin: what the declaration is for, a comment at its head; empty: none.
        task: `binary`, `multiclass` or `regression`; empty: as the table suggests, else the most frequent one.
        inputs: names and roles of the inputs as far as they are known; empty: as the table suggests, else two examples.
        path: of the source; empty: an example.
        artifact: file of a fitted model that is to be imported; empty: the model is trained here.
        table: what the source suggests; None: it was not looked at.
    """
    known = tuple(inputs) or (tuple((n, r.value) for n, r in table.features) if table else ())
    lines = [
        f"    {_key(column)}: {role}" for column, role in known or (("amount", "numeric"), ("region", "categorical"))
    ]
    if table is not None:
        lines += [f"    # {_key(column)} is left out: {reason}" for column, reason in table.left_out]
    chosen = task or (table.task.value if table else Task.BINARY.value)
    timed = table is not None and table.event_time is not None
    return STARTER.format(
        origin="".join(f"# {line}\n" for line in origin.splitlines()),
        task=chosen,
        path=_key(path) if path else f"data/{name}.parquet",
        id=_key(table.id) if table and table.id else "id",
        event_time=f"  event_time: {_key(table.event_time)}" if table and table.event_time else NO_TIME,
        target=_key(table.target) if table and table.target else "target",
        positive=_positive(table) if chosen == Task.BINARY.value else "",
        features="\n".join(lines),
        made=IMPORTED.format(artifact=_key(artifact), name=name) if artifact else CANDIDATES,
        calendar=_calendar(table) if table and timed else NO_CALENDAR,
    )


def _positive(table: Suggestion | None) -> str:
    value = 1 if table is None or table.positive is None else table.positive
    line = f"positive: {json.dumps(value, ensure_ascii=False)}"
    return (
        f"\n    {line:<30} # binary: the value that counts as the event"
        "\n    favourable: negative           # binary: which prediction is good for the person"
    )


def _calendar(table: Suggestion) -> str:
    lines = ["  # Where the first training ends, how far back it reaches, and how production is watched:"]
    if table.until is None:
        lines += ["  # training: {until: 2025-01-01, window: 36 months}", "  # monitoring: {cadence: month}"]
    else:
        lines.append(f"  training: {{until: {table.until}, window: {table.months} months}}")
        if table.cadence is not None:
            lines.append(f"  monitoring: {{cadence: {table.cadence.value}}}")
    return "\n".join(lines)


def _key(name: str) -> str:
    """A name as a YAML key or value: quoted unless it is plain."""
    plain = name.replace("/", "").replace(".", "").replace("-", "")
    return name if plain.isidentifier() and name.casefold() not in _WORDS else json.dumps(name, ensure_ascii=False)


_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
