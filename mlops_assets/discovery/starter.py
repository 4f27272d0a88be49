"""The commented starter of a declaration: for `dg scaffold defs` and for `mlops discover --scaffold`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from mlops_assets.datasets.suggestion import Suggestion
from mlops_assets.declaration.imported import ModelFormat
from mlops_assets.declaration.terms import Task, Tier

STARTER = """\
{origin}type: mlops_assets.GovernedModel

attributes:
  purpose: {purpose}
  intended_use: The decisions it may be used in, and by whom.
  owner: {owner}
  developers: [developer]          # enrolled names; none of them may approve the model
  tier: {tier:<26} # high, medium or low: decides gates, approvals and monitoring (config/policy/)
  task: {task:<26} # binary, multiclass or regression

  source:
    path: {path:<24} # Parquet, CSV or Delta; a glob or an fsspec URL; or sql: and connection:
  id: {id:<28} # unique identifier of a row
{event_time}
  target:
    column: {target}{positive}

{features}

  protected: []                    # fairness is measured over these; not inputs unless also listed above
  slices: []                       # segments that must not be served worse
{made}

{calendar}

  card:
    limitations: []
    human_oversight: Who looks at the predictions, and what they can overrule.
"""
PURPOSE = "What the model predicts, in one sentence that a reviewer understands."
OWNER = "team:your-team            # an e-mail address or team:name"
CANDIDATES = "  candidates: [linear, hist_gradient_boosting, random_forest]   # or your own module:function"
IMPORTED = """\
  origin: imported                 # its file is scored; to train the model here instead, replace these lines by candidates
  imported:
    artifact: {artifact}{further}
    supplier: Who trained it, a team or a vendor"""
EXTERNAL = """\
  origin: external                 # others score, and the predictions arrive as columns of the source
  external:
    score: score                   # column of the probability of the positive outcome, or of the predicted value
    version: {version:<21} # the version that this declaration is about and that people approve
    supplier: Who runs it, a team or a vendor
    registry:                      # only read: `mlops discover` notices another version there
      tracking_uri: {tracking_uri}
      name: {name}{alias}
    # decision: decision           # column of what was decided, and decision_positive: the value for the positive outcome
    # version_column: version      # column of the version that scored the row"""
EXAMPLES = (("amount", "numeric"), ("region", "categorical"))
SHORTEST_PURPOSE = 10
"""Characters that a declaration asks for."""
NO_TIME = "  # event_time: created_at         # leave out for one snapshot without time: no windows, no monitoring"
NO_CALENDAR = """\
  # With event_time, say where the first training ends and how production is watched:
  # training: {until: 2025-01-01, window: 36 months}
  # monitoring: {cadence: month}"""


@dataclass(frozen=True)
class ImportedFile:
    """The file of a fitted model that is to be imported.

    Attributes:
        artifact: file, or MLflow address.
        sha256: of the file, as it was found; empty where it was not read.
        tracking_uri: server of an MLflow address, or empty.
        version: what the supplier calls it, or empty.
        format: where the name does not tell it.
    """

    artifact: str
    sha256: str = ""
    tracking_uri: str = ""
    version: str = ""
    format: ModelFormat | None = None


@dataclass(frozen=True)
class ExternalModel:
    """A model that others run and register.

    Attributes:
        tracking_uri: of their registry.
        name: as registered there.
        version: that scores now.
        alias: by which that version is known there, or empty: it is the newest.
    """

    tracking_uri: str
    name: str
    version: str
    alias: str = ""


def starter(
    name: str,
    *,
    origin: str = "",
    task: str = "",
    inputs: Sequence[tuple[str, str]] = (),
    path: str = "",
    imported: ImportedFile | None = None,
    external: ExternalModel | None = None,
    purpose: str = "",
    owner: str = "",
    tier: str = "",
    table: Suggestion | None = None,
) -> str:
    """Text of a `defs.yaml` to be completed.

    Args:
        name: of the model.
        origin: what the declaration is for, a comment at its head; empty: none.
        task: `binary`, `multiclass` or `regression`; empty: as the table suggests, else the most frequent one.
        inputs: names and roles of the inputs as far as they are known; empty: as the table suggests, else two examples.
        path: of the source; empty: an example.
        imported: file of a fitted model that is to be imported; None: the model is trained here.
        external: a model that others run; None: the model is trained here.
        purpose: of the model; empty: to be written.
        owner: of the model; empty: to be written.
        tier: `high`, `medium` or `low`; empty: `medium`, to be judged.
        table: what the source suggests; None: it was not looked at.
    """
    known = tuple(inputs) or (tuple((n, r.value) for n, r in table.features) if table else ())
    lines = [
        "  features:                        # name: role, or name: {role: …, minimum: …, maximum: …, allowed: […]}",
        *(f"    {_key(column)}: {role}" for column, role in known or EXAMPLES),
    ]
    if external is not None and not known:
        lines = [
            "  features: {}                     # name: role; leave it so where the supplier does not say what it reads"
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
        purpose=_key(purpose) if len(purpose) >= SHORTEST_PURPOSE else PURPOSE,
        owner=_key(owner) if owner else OWNER,
        tier=tier or Tier.MEDIUM.value,
        made=_imported(imported, name) if imported else _external(external) if external else CANDIDATES,
        calendar=_calendar(table) if table and timed else NO_CALENDAR,
    )


def _imported(file: ImportedFile, name: str) -> str:
    further = {"tracking_uri": file.tracking_uri, "sha256": file.sha256, "version": file.version}
    lines = [f"    {field}: {_text(value)}" for field, value in further.items() if value]
    if file.format is not None:
        lines.insert(0, f"    format: {file.format.value}")
    if file.sha256:
        lines.append("    # Compare sha256 with what the supplier sent: it is that of the file as it was found.")
    else:
        lines.append(
            f"    # `mlops check {name} --data` says which sha256 to declare, and what else the file asks for."
        )
    return IMPORTED.format(artifact=_key(file.artifact), further="".join(f"\n{line}" for line in lines))


def _external(model: ExternalModel) -> str:
    return EXTERNAL.format(
        version=_text(model.version or "1"),
        tracking_uri=_text(model.tracking_uri),
        name=_text(model.name),
        alias=f"\n      alias: {_text(model.alias)}" if model.alias else "",
    )


def _text(value: str) -> str:
    """A text as a YAML value that is read as one, whatever it looks like."""
    return json.dumps(value, ensure_ascii=False)


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
