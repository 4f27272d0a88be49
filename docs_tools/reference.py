"""The reference pages, generated from the code at every build: what the code says is what the page says.

A page is a function that returns Markdown; `PAGES` names them. A public field without a description stops the build.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from docs_tools.describe import (
    FieldText,
    Undescribed,
    fields_of,
    listed,
    one_paragraph,
    section,
    summary,
    table,
    type_text,
    yaml_text,
)

NOTE = "*Generated from the code.*\n\n"


def declaration() -> str:
    """Every field of a `defs.yaml`."""
    from mlops_assets.declaration.declaration import Declaration

    parts = [
        "# Declaration\n\n" + NOTE,
        "The `attributes` of a model's `defs.yaml`. An unknown field, a missing one or a value of the wrong kind is reported with file, "
        "line, field and what was expected. `mlops check` checks all declarations; `mlops check --data` compares them with their "
        "data.\n\n",
    ]
    for model in _with_parts(Declaration):
        title = "A model" if model is Declaration else model.__name__
        parts += [
            f"## {title}\n\n",
            summary(model) + "\n\n",
            _field_table(fields_of(model), linked=_with_parts(Declaration)),
            "\n",
        ]
    return "".join(parts)


def policy() -> str:
    """Every field of a tier's policy, without the gates."""
    from mlops_assets.policy.policy import Policy

    parts = [
        "# Policy\n\n" + NOTE,
        "One YAML file for each risk tier, in `config/policy/`. The columns high, medium and low show the policies that `mlops init` "
        "writes; they are a starting point, not a supervisory threshold. A model may be stricter than its tier (`policy:` in its "
        "declaration), never laxer: for each field it says what an override must be. The rules of the gates have "
        "[a page of their own](gates.md).\n\n",
    ]
    tiers = _tiers()
    for model, path in _policy_parts(Policy):
        if path[:1] == ("gates",):
            continue
        title = "Top level" if not path else f"`{'.'.join(path)}`"
        rows = [f for f in fields_of(model) if not f.models or not _is_section(model, f.name)]
        parts += [f"## {title}\n\n", summary(model) + "\n\n", _policy_table(model, rows, path, tiers), "\n"]
    return "".join(parts)


def notification() -> str:
    """Every field of `config/notification.yaml`."""
    from mlops_assets.notification.routes import Settings

    return _settings_page(
        Settings,
        "Notification",
        "The file `config/notification.yaml`: who is told of what, and how. [Tell people](../how-to/notify.md) shows its use; "
        "`mlops check` reports every mistake in it.\n\n",
    )


def discovery() -> str:
    """Every field of `config/discovery.yaml`."""
    from mlops_assets.discovery.settings import DiscoverySettings

    return _settings_page(
        DiscoverySettings,
        "Discovery",
        "The file `config/discovery.yaml`: where models are looked for unattended, and when. "
        "[Find the models that exist](../how-to/find-models.md) shows its use; `mlops check` reports every mistake in it.\n\n",
    )


def _settings_page(settings: type[Any], title: str, about: str) -> str:
    """A page on a file of settings: its fields, and those of its parts."""
    parts = [f"# {title}\n\n" + NOTE, about]
    linked = _with_parts(settings)
    for model in linked:
        head = "The file" if model is settings else model.__name__
        parts += [f"## {head}\n\n", summary(model) + "\n\n", _field_table(fields_of(model), linked=linked), "\n"]
    return "".join(parts)


def gates() -> str:
    """Every gate: question, place, rule and evidence."""
    from mlops_assets.gates.registry import GATES
    from mlops_assets.pipeline.stage_table import STAGES

    places = {gate: stage for stage in STAGES for gate in stage.gates}
    tiers = _tiers()
    common = {f.name for f in fields_of(_gate_rule())}
    parts = [
        "# Gates\n\n" + NOTE,
        "A gate answers one question about a version with `passed`, `failed` or `not_measurable`, on recorded evidence, under the "
        "policy in force. Its decision is a record of the ledger (`gate_decision`). [Controls](controls.md) names the clauses that each "
        "gate gives evidence for.\n\n",
        table(
            ["gate", "question", "asset"],
            ([f"[{g.name}](#{g.name})", g.question, f"`{places[g.name].name}`" if g.name in places else "–"] for g in GATES.values()),
        ),
        "\n## Fields of every rule\n\n",
        _policy_table(_gate_rule(), fields_of(_gate_rule()), None, {}),
    ]  # fmt: skip
    for gate in GATES.values():
        place = places.get(gate.name)
        parts += [f"\n## {gate.name}\n\n", f"**{gate.question}** {summary(gate.rule)}\n\n"]
        if place is not None:
            stops = "stops the run at once when it fails" if gate.name in place.blocking else "decides at promotion"
            parts.append(f"Decided on the asset `{place.name}`; {stops}.\n\n")
        rows = [f for f in fields_of(gate.rule) if f.name not in common]
        parts += ["Rule:\n\n", _policy_table(gate.rule, rows, ("gates", gate.name), tiers), "\n"]
        for model in _with_parts(gate.evidence):
            parts += [
                f"Evidence `{model.__name__}`: {summary(model)}\n\n",
                _field_table(fields_of(model), False),
                "\n",
            ]
    return "".join(parts)


def commands() -> str:
    """Every command of `mlops` with its arguments and options."""
    import click

    from mlops_assets.cli import COMMANDS, cli

    context = click.Context(cli, info_name="mlops")
    parts = [
        "# Commands\n\n" + NOTE,
        "Exit codes: **0** all is well; **1** what the command reports on is not (a gate failed, drift at `act` or worse, tampering, "
        "not found, too little to be measured); **2** the call was wrong. An error is one line on standard error. `--json` prints JSON "
        "instead of a table. `mlops --project FOLDER COMMAND` runs a command on a project in another folder.\n\n",
        table(
            ["command", "does"], ([f"[`mlops {name}`](#mlops-{name})", COMMANDS[name][1]] for name in sorted(COMMANDS))
        ),
    ]
    for name in sorted(COMMANDS):
        command = cli.get_command(context, name)
        assert command is not None
        parts += [f"\n## mlops {name}\n\n", _command(command, click.Context(command, info_name=name, parent=context))]
    return "".join(parts)


def records() -> str:
    """Every kind of record in the ledger."""
    from mlops_assets.ledger.events.base import SignedEvent
    from mlops_assets.ledger.events.registry import EVENTS

    parts = [
        "# Record kinds\n\n" + NOTE,
        "The ledger is one table, `ledger_records`, readable without this software: `seq`, `kind`, `model`, `subject`, `body` (JSON), in "
        "the order of `seq`. `body` has the fields below. A record whose kind is *signed* counts only with the signature of an enrolled "
        "person in a role that may sign it.\n\n",
        table(
            ["kind", "says", "signed"],
            (
                [f"[`{e.KIND}`](#{e.KIND})", one_paragraph(summary(e)), "yes" if issubclass(e, SignedEvent) or "envelope" in e.model_fields else ""]
                for e in EVENTS
            ),
        ),
    ]  # fmt: skip
    for event in EVENTS:
        parts += [f"\n## {event.KIND}\n\n", summary(event) + "\n\n"]
        if issubclass(event, SignedEvent):
            roles = "any role of a person" if event.ROLES is None else ", ".join(f"`{role}`" for role in event.ROLES)
            service = "; the service key where policy allows it" if event.BY_SERVICE_KEY else ""
            parts.append(f"Purpose of the signed statement: `{event.PURPOSE}`. Signed by: {roles}{service}.\n\n")
        for model in _with_parts(event):
            head = "" if model is event else f"`{model.__name__}`: {summary(model)}\n\n"
            parts += [head, _field_table(fields_of(model)), "\n"]
    return "".join(parts)


def words() -> str:
    """The closed lists of words: severities, kinds, outcomes, actions, states of a version."""
    from typing import get_args

    from docs_tools.vocabulary import LISTS

    parts = ["# Severities, kinds and other words\n\n" + NOTE, "Stored values, everywhere in the same spelling.\n\n"]
    for title, source, meanings in LISTS:
        known = get_args(source)
        if set(known) != set(meanings):
            raise Undescribed(f"{title}: found {sorted(set(known) ^ set(meanings))} on one side only")
        parts += [
            f"## {title}\n\n",
            table(["word", "meaning"], ([f"`{word}`", meanings[word]] for word in known)),
            "\n",
        ]
    return "".join(parts)


def assets() -> str:
    """The assets of a model, from the table of stages."""
    from mlops_assets.pipeline.stage_table import STAGES

    rows = [
        [
            f"`{s.name}`",
            s.description,
            ", ".join(f"`{d}`" for d in s.deps) + (", the source" if s.deps and s.reads_source else "the source" if s.reads_source else ""),
            ", ".join(f"`{g}`" for g in s.gates) or "–",
            "one for each window" if s.windowed else "–",
        ]
        for s in STAGES
    ]  # fmt: skip
    return (
        "# Assets\n\n" + NOTE + "The key of an asset is `[model, asset]`. Checks are shown in Dagster; those of the training are gates.\n\n"
        + table(["asset", "holds", "reads", "checks", "partitions"], rows)
    )  # fmt: skip


def python_api() -> str:
    """What `import mlops_assets` offers."""
    import inspect

    import mlops_assets
    from mlops_assets import api, extensions

    parts = ["# Python\n\n" + NOTE, "```python\nimport mlops_assets\n```\n\n", summary(api) + "\n\n"]
    names: list[tuple[str, Any]] = [
        (f"mlops_assets.{name}", getattr(mlops_assets, name)) for name in sorted(mlops_assets.__all__)
    ]
    names = [pair for pair in names if pair[0] != "mlops_assets.GovernedModel"]
    for name, thing in names:
        parts += [f"## {name}\n\n", _function(name, thing)]
    for kind in (api.Champion, api.Table, api.NoChampion):
        parts += [f"## {kind.__name__}\n\n", summary(kind) + "\n\n"]
        if kind is not api.NoChampion:
            rows = section(kind.__doc__ or "", "Attributes")
            parts += [table(["attribute", "meaning"], ([f"`{n}`", one_paragraph(t)] for n, t in rows.items())), "\n"]
        for method in [m for n, m in vars(kind).items() if inspect.isfunction(m) and not n.startswith("_")]:
            parts += [f"### {kind.__name__}.{method.__name__}\n\n", _function(method.__name__, method)]
    parts += ["## mlops_assets.extensions\n\n", summary(extensions) + "\n\n"]
    rows = ([f"`{name}`", _extension(getattr(extensions, name))] for name in sorted(extensions.__all__))
    parts.append(table(["name", "what it is"], rows))
    return "".join(parts)


def runbooks() -> str:
    """The runbook for each kind of incident, as it is shipped."""
    from mlops_assets.response.runbooks import OF_NOTICES, RUNBOOK_OF, runbook_files

    kinds: dict[str, list[str]] = {}
    for kind, name in (RUNBOOK_OF | OF_NOTICES).items():
        kinds.setdefault(name, []).append(kind)
    texts = {name: path.read_text(encoding="utf-8") for name, path in runbook_files().items()}
    titles = {name: text.splitlines()[0].removeprefix("# ") for name, text in texts.items()}
    parts = [
        "# Runbooks\n\n" + NOTE,
        "What to do about an incident of each kind. `mlops init` copies these files into `config/runbooks/` of a project, where you edit them; "
        "incidents, pages and notices link to them, or to your own pages ([live with an incident](../how-to/incidents.md#runbooks)).\n\n",
        table(
            ["runbook", "kinds of incidents and notices"],
            (
                [f"[{titles[name]}](#{name.replace('_', '-')})", ", ".join(f"`{k}`" for k in kinds[name])]
                for name in sorted(texts)
            ),
        ),
    ]
    for name in sorted(texts):
        body = texts[name].split("\n", 1)[1].strip()
        parts.append(f"\n## {titles[name]} {{: #{name.replace('_', '-')} }}\n\n{body}\n")
    return "".join(parts)


PAGES: dict[str, Callable[[], str]] = {
    "reference/declaration.md": declaration,
    "reference/policy.md": policy,
    "reference/gates.md": gates,
    "reference/notification.md": notification,
    "reference/discovery.md": discovery,
    "reference/runbooks.md": runbooks,
    "reference/assets.md": assets,
    "reference/commands.md": commands,
    "reference/records.md": records,
    "reference/words.md": words,
    "reference/python.md": python_api,
}
"""Path in the site to the function that writes the page."""


def _extension(thing: Any) -> str:
    """The first paragraph of what an extension point says; of a marked type, the mark."""
    from mlops_assets.strictness import Stricter

    mark = next((m for m in getattr(thing, "__metadata__", ()) if isinstance(m, Stricter)), None)
    if mark is not None:
        return f"Type of a rule's field: {type_text(thing)}; an override must be {mark.expectation}."
    return summary(thing).split("\n\n")[0]


def _function(name: str, thing: Any) -> str:
    import inspect

    signature = inspect.signature(thing)
    shown = ", ".join(_parameter(p) for p in signature.parameters.values() if p.name != "self")
    text = f"`{name}({shown})`\n\n{summary(thing)}\n\n"
    arguments = section(thing.__doc__ or "", "Args")
    named = [p.name for p in signature.parameters.values() if p.name != "self"]
    if missing := [n for n in named if n not in arguments]:
        raise Undescribed(f"{name}: no description of {', '.join(missing)}")
    if arguments:
        text += table(["argument", "meaning"], ([f"`{n}`", one_paragraph(t)] for n, t in arguments.items())) + "\n"
    doc = inspect.cleandoc(thing.__doc__ or "")
    if "Returns:\n" in doc:
        text += "Returns: " + one_paragraph(doc.split("Returns:\n")[1].split("Raises:\n")[0]) + "\n\n"
    if raises := section(thing.__doc__ or "", "Raises"):
        text += table(["raises", "when"], ([f"`{n}`", one_paragraph(t)] for n, t in raises.items())) + "\n"
    return text


def _parameter(parameter: Any) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
    return f"{stars}{parameter.name}{default}"


def _command(command: Any, context: Any) -> str:
    import click

    text = f"```text\n{' '.join(command.get_usage(context).split()).removeprefix('Usage: ')}\n```\n\n"
    text += "\n\n".join(one_paragraph(p) for p in (command.help or "").replace("\b", "").split("\n\n")) + "\n\n"
    rows = []
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            if not parameter.help:
                raise Undescribed(f"{context.command_path} {parameter.opts[0]}: no help")
            names = ", ".join(f"`{n}`" for n in (*parameter.opts, *parameter.secondary_opts))
            rows.append([names, _values(parameter), parameter.help + (" Required." if parameter.required else "")])
    text += table(["option", "value", "meaning"], rows) + "\n" if rows else ""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            member = command.get_command(context, name)
            assert member is not None
            text += f"### mlops {command.name} {name}\n\n"
            text += _command(member, click.Context(member, info_name=name, parent=context))
    return text


def _values(option: Any) -> str:
    import click

    if option.is_flag:
        return "–"
    kind = option.type
    names = {
        "integer": "integer",
        "float": "number",
        "path": "path",
        "datetime": "date",
        "directory": "folder",
        "file": "file",
    }
    shown = listed(f"`{c}`" for c in kind.choices) if isinstance(kind, click.Choice) else names.get(kind.name, "text")
    shown += ", repeatable" if option.multiple else ""
    default = option.default
    plain = isinstance(default, str | int | float) and not isinstance(default, bool) and default != ""
    return f"{shown}; default `{default}`" if plain and not option.required else shown


def _field_table(fields: Iterable[FieldText], defaults: bool = True, linked: Iterable[type] = ()) -> str:
    """A table of fields; types in `linked` lead to the heading that is named after them."""
    links = {f"`{model.__name__}`": f"[`{model.__name__}`](#{model.__name__.lower()})" for model in linked}
    rows = []
    for field in fields:
        shown = re.sub(r"`\w+`", lambda match: links.get(match[0], match[0]), field.type)
        default = f"; {_default(field)}" if defaults else ""
        rows.append([f"`{field.name}`", f"{field.meaning}<br>*{shown}{default}*"])
    return table(["field", "meaning"], rows)


def _default(field: FieldText) -> str:
    return field.default if field.default == "required" else f"default: {field.default}"


def _policy_table(model: Any, fields: Iterable[FieldText], path: tuple[str, ...] | None, tiers: dict[str, Any]) -> str:
    from mlops_assets.strictness import Stricter

    rows = []
    for field in fields:
        mark = next((m for m in model.model_fields[field.name].metadata if isinstance(m, Stricter)), None)
        values = [yaml_text(_at(tier, (*(path or ()), field.name))) for tier in tiers.values()]
        stricter = f"; an override must be {mark.expectation}" if mark and mark.direction != "fixed" else ""
        stricter = "; no override" if mark and mark.direction == "fixed" else stricter
        rows.append([f"`{field.name}`", f"{field.meaning}<br>*{field.type}; {_default(field)}{stricter}*", *values])
    return table(["field", "meaning", *tiers], rows)


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = getattr(value, name)
    return value


def _tiers() -> dict[str, Any]:
    from pathlib import Path

    import mlops_assets
    from mlops_assets.policy.policy import load_policies

    found = load_policies(Path(str(mlops_assets.__file__)).parent / "config" / "policy")
    return {name: found[name] for name in ("high", "medium", "low")}


def _gate_rule() -> Any:
    from mlops_assets.gates.gate import GateRule

    return GateRule


def _is_section(model: Any, name: str) -> bool:
    from pydantic import BaseModel

    hint = model.model_fields[name].annotation
    return isinstance(hint, type) and issubclass(hint, BaseModel)


def _policy_parts(model: Any, path: tuple[str, ...] = ()) -> list[tuple[Any, tuple[str, ...]]]:
    found = [(model, path)]
    for name, field in model.model_fields.items():
        if _is_section(model, name):
            found += _policy_parts(field.annotation, (*path, name))
    return found


def _with_parts(model: type) -> list[type]:
    """The model and every model its fields lead to, each once."""
    found = [model]
    for known in found:
        found += [inner for f in fields_of(known) for inner in f.models if inner not in found]
    return found
