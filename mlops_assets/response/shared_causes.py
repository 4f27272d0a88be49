"""One incident for a cause that several models share: rows of one source that are faulty, or changed, in the same window.

The first model that shows it has an incident of its own. When a second one shows the same, both become one incident of the fleet,
which takes up the first; each further model is added to it. Not here: which models share a source (the declarations say), and
verdicts (`monitoring/verdict/`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from mlops_assets.ledger.events.response import ConcernedModel, IncidentTakenUp, IncidentWidened
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.state.model import LedgerState, ModelState
from mlops_assets.ledger.state.response import Incident
from mlops_assets.response.incident_life import worst_of
from mlops_assets.response.incidents import find, open_incident

SHARED = ("data_quality", "covariate_shift")
"""Kinds of change that come with the rows, so that all who read them see it."""


@dataclass(frozen=True)
class Sign:
    """What a window of a model shows.

    Attributes:
        model: name.
        kind: of change.
        severity: act or critical.
        summary: in a sentence.
        window: its start.
        end: first day after it.
        columns: that show it.
        cause: what an incident of this model alone is about.
        rule: what raised it.
        happened_at: of the verdict.
    """

    model: str
    kind: str
    severity: str
    summary: str
    window: str
    end: date
    columns: tuple[str, ...]
    cause: str
    rule: str
    happened_at: datetime

    @property
    def part(self) -> ConcernedModel:
        """The model's part in a shared incident."""
        return ConcernedModel(model=self.model, window=self.window, columns=self.columns, cause=self.cause)


def raise_incident(ledger: Ledger, sign: Sign, related: Mapping[str, str]) -> Incident:
    """The incident that stands for what a window shows: its own, or one that models of the same source share.

    Args:
        ledger: to read and write.
        sign: what the window shows.
        related: other models that read the same rows, or rows made from the same, to what they share.
    """
    state = ledger.state()
    if sign.kind in SHARED and not _own_open(state, sign):
        for incident in _shared(state, sign):
            if _known(incident, sign):
                return incident
        for incident in _shared(state, sign):
            if incident.is_open and _alike_any(state, incident, sign, related):
                return _widen(ledger, incident, sign)
        for other, origin in related.items():
            found = next((i for i in state.model(other).open_incidents if _alike(state.model(other), i, sign)), None)
            if found is not None:
                return _share(ledger, found, sign, origin)
    return open_incident(
        ledger,
        sign.model,
        kind=sign.kind,
        severity=sign.severity,
        summary=sign.summary,
        window=sign.window,
        columns=sign.columns if sign.kind == "data_quality" else (),
        cause=sign.cause,
        rule=sign.rule,
        happened_at=sign.happened_at,
    )


def _own_open(state: LedgerState, sign: Sign) -> bool:
    """Whether the model has an incident of its own for this cause, or had one for this very window."""
    own = [i for i in state.model(sign.model).incidents.values() if i.cause == sign.cause and not i.merged_into]
    return any(i.is_open or any(spell.window == sign.window for spell in i.spells) for i in own)


def _shared(state: LedgerState, sign: Sign) -> list[Incident]:
    """Incidents of the fleet of this kind that name models, the last first."""
    found = [i for i in state.fleet.incidents.values() if i.kind == sign.kind and i.models and not i.merged_into]
    return found[::-1]


def _known(incident: Incident, sign: Sign) -> bool:
    """Whether it stands for this cause of this model already."""
    part = incident.models.get(sign.model)
    if part is None or part.cause != sign.cause:
        return False
    return incident.is_open or sign.window in (part.window, *(spell.window for spell in incident.spells))


def _alike_any(state: LedgerState, incident: Incident, sign: Sign, related: Mapping[str, str]) -> bool:
    return any(
        _same(state.model(name), part.window, part.columns, sign)
        for name, part in incident.models.items()
        if name in related
    )


def _alike(model: ModelState, incident: Incident, sign: Sign) -> bool:
    """Whether another model's own incident is about the same rows as the sign."""
    if incident.kind != sign.kind:
        return False
    verdict = model.window_verdicts.get(incident.window)
    columns = incident.columns or (verdict.columns if verdict is not None else ())
    return _same(model, incident.window, columns, sign)


def _same(model: ModelState, window: str, columns: tuple[str, ...], sign: Sign) -> bool:
    """Whether a model's window overlaps that of the sign, and, of a broken feed, a column is the same."""
    verdict = model.window_verdicts.get(window)
    if verdict is None or not (window < sign.end.isoformat() and sign.window < verdict.window_end.isoformat()):
        return False
    # A population may move in other columns of each model; a broken feed breaks the same ones, or the delivery as a whole.
    return sign.kind != "data_quality" or bool(set(columns) & set(sign.columns)) or not (columns or sign.columns)


def _share(ledger: Ledger, first: Incident, sign: Sign, origin: str) -> Incident:
    """One incident of the fleet for two models, which takes up the first one's."""
    state = ledger.state()
    verdict = state.model(first.model).window_verdicts[first.window]
    part = ConcernedModel(model=first.model, window=first.window, columns=first.columns or verdict.columns, cause=first.cause)  # fmt: skip
    columns = tuple(sorted(set(part.columns) & set(sign.columns))) if sign.kind == "data_quality" else ()
    about = f"{sign.kind}:{','.join(columns)}" if columns else sign.kind
    incident = open_incident(
        ledger,
        "",
        kind=sign.kind,
        severity=worst_of([first.severity, sign.severity]),
        summary=f"{first.model} and {sign.model} read {origin}, and show the same in one window: {sign.summary}",
        window=min(first.window, sign.window),
        columns=columns,
        cause=f"shared:{origin}:{about}",
        rule=sign.rule,
        happened_at=min(first.opened_at, sign.happened_at),
        models=(part, sign.part),
    )
    # Another incident of this cause may have been open: it takes in those of the two that it does not name.
    for missing, summary, severity in ((part, first.summary, first.severity), (sign.part, sign.summary, sign.severity)):
        incident = _with_part(ledger, incident, missing, summary, severity)
    reason = f"{first.model} and {sign.model} read {origin}, and show {sign.kind.replace('_', ' ')} in the same window"
    ledger.append(
        IncidentTakenUp(into=incident.id, reason=reason),
        model=first.model,
        subject=first.id,
        key=f"incident-taken-up/{first.id}/{first.seqs[-1]}",
    )
    return find(ledger.state(), incident.id)


def _widen(ledger: Ledger, incident: Incident, sign: Sign) -> Incident:
    return _with_part(ledger, incident, sign.part, sign.summary, sign.severity)


def _with_part(ledger: Ledger, incident: Incident, part: ConcernedModel, summary: str, severity: str) -> Incident:
    """The incident with a model that it does not name yet."""
    if part.model in incident.models:
        return incident
    event = IncidentWidened(kind=incident.kind, severity=severity, concerned=part, summary=summary)
    key = f"incident-widened/{incident.id}/{incident.seqs[0]}/{part.model}"
    ledger.append(event, model="", subject=incident.id, key=key)
    return find(ledger.state(), incident.id)


def related_models(origins: Mapping[str, Mapping[str, str]], model: str) -> dict[str, str]:
    """Other models whose rows share an origin with the model's, to that origin in words.

    Args:
        origins: by model, what its rows may come from, with its description.
        model: whose relatives are wanted.
    """
    mine = origins.get(model, {})
    found: dict[str, str] = {}
    for name, theirs in origins.items():
        common = [origin for origin in mine if origin in theirs]
        if name != model and common:
            found[name] = mine[common[0]]
    return found
