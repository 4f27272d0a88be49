"""A record that does not count is shown nowhere as if it counted: every kind of signed record, every forgery, every reader.

Each reader is asked before and after the forged record was written and must answer the same; pages may list the record
only with the words "Does not count". A valid record of the same kind changes an answer, so that no case is empty.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from mlops_assets.evidence.as_of import as_of
from mlops_assets.evidence.coverage import coverage, row_dict
from mlops_assets.evidence.inventory import inventory, status
from mlops_assets.evidence.openlineage import events
from mlops_assets.evidence.packet.addendum import addendum
from mlops_assets.evidence.pages import fleet as fleet_page
from mlops_assets.evidence.pages import model as model_page
from mlops_assets.evidence.requirements.artefacts import artefacts_of_ledger
from mlops_assets.evidence.requirements.assessment import conclusions_of
from mlops_assets.evidence.roi import Assumptions, measure_roi
from mlops_assets.evidence.trace import trace
from mlops_assets.governance.adoption import adoption
from mlops_assets.governance.approvals import approval_state
from mlops_assets.governance.exceptions import lifts
from mlops_assets.governance.findings import blocking
from mlops_assets.governance.validations import standing_validation
from mlops_assets.ledger.canonical import plain
from mlops_assets.ledger.events import champion, discovery, judgements, privacy, response, tiers
from mlops_assets.ledger.events.base import Event, SignedEvent
from mlops_assets.ledger.events.registry import EVENTS
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.people import KINDS as PEOPLE_KINDS
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.signatures import sign_statement
from mlops_assets.pipeline.stages.release import exceptions_in_force, findings_on_record, validation_on_record
from mlops_assets.response.incidents import incidents
from mlops_assets_tests.evidence.conftest import Declared, declaration_of
from mlops_assets_tests.evidence.life import MODEL, POLICY, ROLES, Life, at
from mlops_assets_tests.governance.assessments import statement

MARKER = "words of the forger"
NOW = at("2016-01-01")
SBA = Declared(MODEL, declaration_of(MODEL))
PREDICTION = {"model": MODEL, "version": "3", "window": "2004-04-01", "scored_at": "2015-12-31T00:00:00Z"}
SIGNED_POLICY = POLICY.model_copy(
    update={"adoption": type(POLICY.adoption)(roles=("model-risk",)), "validity_days": 200}
)
NEXT_POLICY = SIGNED_POLICY.model_copy(update={"validity_days": 100})


# --- readers --------------------------------------------------------------------------------------------------------


def _status(ledger: Ledger) -> Any:
    rows = status(inventory(ledger, [SBA], {"high": POLICY}, as_of=NOW))
    for row in rows:
        # A refused exception is listed as one that does not count.
        row["needs_attention"] = [item for item in row["needs_attention"] if "does not count" not in item["title"]]
    return rows


def _inventory(ledger: Ledger) -> Any:
    left_out = ("exceptions_refused", "last_record", "needs_attention")
    rows = inventory(ledger, [SBA], {"high": POLICY}, as_of=NOW)
    return [{name: value for name, value in row.items() if name not in left_out} for row in rows]


def _card_inputs(ledger: Ledger) -> Any:
    return [
        [exceptions_in_force(ledger, POLICY, MODEL, version), validation_on_record(ledger, MODEL, version)]
        for version in ("3", "4")
    ] + [findings_on_record(ledger, MODEL)]


def _promotion(ledger: Ledger) -> Any:
    state = ledger.state(fresh=True)
    model = state.model(MODEL)
    approvals = approval_state(state, POLICY, MODEL, "4")
    return [
        [approvals.status, approvals.counted, approvals.rejections, approvals.missing],
        lifts(model, POLICY, "4", NOW),
        blocking(model, POLICY, "4"),
        standing_validation(model, "4"),
        adoption(model, NEXT_POLICY).waiting,
        model.champion,
    ]


def _coverage(ledger: Ledger) -> Any:
    """Of the model's records, as of those of the fleet."""
    found = coverage(ledger.state().model(MODEL), NOW, POLICY.exceptions)
    return [found.to_dict(), [row_dict(row) for row in found.rows]] if found else None


READERS: Mapping[str, Callable[[Ledger], Any]] = {
    "status": _status,
    "inventory": _inventory,
    "asof": lambda ledger: [row.to_dict() for row in as_of(ledger, NOW)],
    "trace": lambda ledger: trace(ledger, PREDICTION).to_dict(),
    "card inputs": _card_inputs,
    "incidents": lambda ledger: incidents(ledger.state()),
    "promotion": _promotion,
    "roi": lambda ledger: measure_roi(ledger, ledger.state(), Assumptions.model_validate({})).to_dict(),
    "requirements": lambda ledger: artefacts_of_ledger(ledger.state().model(MODEL), "3"),
    "coverage": lambda ledger: _coverage(ledger),
    "conclusions": lambda ledger: conclusions_of(ledger.state().model(MODEL), "3"),
    "lineage": lambda ledger: events(ledger, MODEL),
    "addendum": lambda ledger: addendum(ledger, ledger.state(), MODEL, "4", NOW).now,
}


def answers(ledger: Ledger) -> dict[str, str]:
    return {name: json.dumps(plain(read(ledger)), sort_keys=True) for name, read in READERS.items()}


def pages(ledger: Ledger) -> dict[str, str]:
    view = fleet_page.view(ledger, [SBA], {"high": POLICY}, as_of=NOW)
    mine = next(model for model in view.models if model.name == MODEL)
    return {"fleet page": fleet_page.render(view), "model page": model_page.render(mine, at=NOW)}


def as_if_it_counted(page: str) -> list[str]:
    """Texts on a page with the forger's words that do not say that they do not count."""
    texts = (text for text in re.split(r"<[^>]*>", page) if MARKER in text)
    return [text for text in texts if "Does not count" not in text]


# --- acts -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Act:
    """One signed act: its class, what it is about, its fields, and who may sign it."""

    event: type[Event]
    subject: str
    subjects: Mapping[str, str]
    fields: Mapping[str, Any]
    person: str = "model-risk"


def sign(ledger: Ledger, act: Act, key: SigningKey | None, person: str, role: str, model: str = MODEL) -> Event:
    """The event; with no key, without a signature."""
    if issubclass(act.event, SignedEvent):
        given = {**act.fields, "model": model, "person": person, "role": role, "signed_at": ledger.clock()}
        event = act.event.model_validate({**given, "envelope": {}})
        if key is None:
            return event
        envelope = sign_statement(key, act.subjects, act.event.PURPOSE, event.signed_fields())
        return event.model_copy(update={"envelope": envelope})
    named = {"person": person, "role": role, "model": model}
    given = {**act.fields, **{name: value for name, value in named.items() if name in act.event.model_fields}}
    event = act.event.model_validate(given)
    left_out = ("schema_version", "envelope")
    statement = {**named, **{name: value for name, value in event.body().items() if name not in left_out}}
    purpose = act.event.PURPOSE  # pyright: ignore[reportAttributeAccessIssue]
    return event.model_copy(update={"envelope": sign_statement(key, act.subjects, purpose, statement) if key else None})


def _approval(life: Life, opened: Record) -> Act:
    from mlops_assets.governance.approval_subject import approval_subject

    about = approval_subject(life.ledger.state().model(MODEL), "4", POLICY.digest)
    fields = {"version": "4", "decision": "approve", "rationale": MARKER, "decisions": {}}
    return Act(judgements.Approval, "4", about.subjects, fields, "validator")


def _granted(life: Life, opened: Record) -> Act:
    fields = {"gate": "cost", "version": None, "reason": MARKER, "expires": at("2016-03-01")}
    return Act(judgements.ExceptionGranted, "cost", {"policy": POLICY.digest}, fields)


def _withdrawn(life: Life, opened: Record) -> Act:
    granted = life.grant("model-risk", "fairness", "still under review", "2016-04-01", "2015-12-01")
    return Act(
        judgements.ExceptionWithdrawn, "fairness", {"exception": granted.digest}, {"seq": granted.seq, "reason": MARKER}
    )


def _finding(life: Life, opened: Record) -> Act:
    fields = {
        "id": "F9", "version": "3", "severity": "high", "summary": MARKER, "owner": "developer", "due": at("2016-06-01"),
    }  # fmt: skip
    registration = life.ledger.state().model(MODEL).version("3").registration
    assert registration is not None
    return Act(judgements.FindingRecorded, "F9", {"registration": registration.digest}, fields, "validator")


def _responded(life: Life, opened: Record) -> Act:
    found = life.find("validator", "F1", "weak data", "2016-06-01")
    return Act(
        judgements.FindingResponded, "F1", {"finding": found.digest}, {"id": "F1", "response": MARKER}, "model-risk"
    )


def _extended(life: Life, opened: Record) -> Act:
    found = life.find("validator", "F1", "weak data", "2016-06-01")
    fields = {"id": "F1", "due": at("2016-07-01"), "reason": MARKER}
    return Act(judgements.FindingExtended, "F1", {"finding": found.digest}, fields, "validator")


def _closed(life: Life, opened: Record) -> Act:
    found = life.find("validator", "F1", "weak data", "2016-06-01")
    return Act(judgements.FindingClosed, "F1", {"finding": found.digest}, {"id": "F1", "note": MARKER}, "validator")


def _validation(life: Life, opened: Record) -> Act:
    registration = life.ledger.state().model(MODEL).version("3").registration
    assert registration is not None
    fields = {"version": "3", "outcome": "approved", "summary": MARKER, "valid_until": at("2016-09-01"), "follows": 0}
    return Act(judgements.ValidationRecorded, "3", {"registration": registration.digest}, fields, "validator")


def _conclusion(life: Life, opened: Record) -> Act:
    registration = life.ledger.state().model(MODEL).version("3").registration
    assert registration is not None
    fields = {
        "version": "3", "profile": "sr_26_2", "clause": "V.1.a", "outcome": "answered", "rationale": MARKER,
        "evidence": "e" * 64, "follows": 0,
    }  # fmt: skip
    return Act(judgements.ClauseConcluded, "3", {"registration": registration.digest}, fields, "validator")


def _policy(life: Life, opened: Record) -> Act:
    adopted = life.adopt(SIGNED_POLICY)
    fields = {
        "policy_digest": NEXT_POLICY.digest, "tier": "high", "policy": NEXT_POLICY.model_dump(mode="json"),
        "before": SIGNED_POLICY.digest, "rationale": MARKER, "follows": adopted.seq,
    }  # fmt: skip
    return Act(judgements.PolicyAdopted, NEXT_POLICY.digest[:12], {"policy": NEXT_POLICY.digest}, fields)


def _assessment(life: Life, opened: Record) -> Act:
    fields = statement(dict(life.declaration), "low", at("2016-09-01"), purpose=MARKER)
    return Act(tiers.TierAssessed, "low", {"rules": fields["rules_digest"]}, fields, "validator")


def _intervention(event: type[champion.Intervention], subject: str, **more: Any) -> Callable[[Life, Record], Act]:
    def made(life: Life, opened: Record) -> Act:
        if event is champion.Resumption:
            life.intervene("model-risk", champion.Suspension, "3", "a look at it")
        follows = life.ledger.state().model(MODEL).champion.seq
        fields = {"subject": subject, "rationale": MARKER, "follows": follows, **more}
        return Act(event, subject, {"policy": POLICY.digest}, fields)

    return made


def _step(life: Life, opened: Record) -> Act:
    fields = {"version": "4", "step": "shadow", "champion": 3, "tested": 0, "rationale": MARKER}
    return Act(champion.StepSigned, "4", {"registration": "a" * 64}, fields)


def _segment(event: type[champion.Intervention]) -> Callable[[Life, Record], Act]:
    where = "state == 'TX'"

    def made(life: Life, opened: Record) -> Act:
        more: dict[str, Any] = {"where": where}
        if event is champion.SegmentResumed:
            life.intervene("model-risk", champion.SegmentPaused, where, "a look at it", where=where)
            more["pause"] = life.ledger.state().model(MODEL).pauses[where].seq
        return _intervention(event, where, **more)(life, opened)

    return made


def _acknowledged(life: Life, opened: Record) -> Act:
    subjects = {"incident": opened.digest}
    return Act(response.IncidentAcknowledged, opened.subject, subjects, {"id": opened.subject, "note": MARKER})


def _incident_closed(life: Life, opened: Record) -> Act:
    fields = {"id": opened.subject, "disposition": "false", "note": MARKER}
    return Act(response.IncidentClosed, opened.subject, {"incident": opened.digest}, fields)


def _mitigated(life: Life, opened: Record) -> Act:
    return Act(
        response.IncidentMitigated, opened.subject, {"incident": opened.digest}, {"id": opened.subject, "note": MARKER}
    )


def _reported(life: Life, opened: Record) -> Act:
    fields = {"id": opened.subject, "report": "a" * 64, "note": MARKER}
    return Act(response.IncidentReported, opened.subject, {"incident": opened.digest, "report": "a" * 64}, fields)


def _merged(life: Life, opened: Record) -> Act:
    fields = {"id": opened.subject, "into": "another", "into_model": "", "note": MARKER}
    return Act(response.IncidentMerged, opened.subject, {"incident": opened.digest, "into": "b" * 64}, fields)


def _retraining(life: Life, opened: Record) -> Act:
    fields = {
        "cause": MARKER, "window": "2004-04-01", "kind": "manual", "until": "2004-07-01", "automatic": False,
        "policy_digest": POLICY.digest,
    }  # fmt: skip
    return Act(response.RetrainingRequested, "r-9", {"policy": POLICY.digest}, fields)


def _discovered(event: type[SignedEvent], **said: Any) -> Callable[[Life, Record], Act]:
    def made(life: Life, opened: Record) -> Act:
        found = discovery.ModelDiscovered(
            source="notebooks", place="notebooks/churn.ipynb", name="churn", form="notebook", why="it calls .fit",
            confidence="likely", digest="a" * 64, basis="b" * 64,
        )  # fmt: skip
        written = life.write(found, "D-1")
        life.write(discovery.SourceSearched(found=1), "notebooks")
        return Act(event, "D-1", {"discovery": written.digest}, {"id": "D-1", "reason": MARKER, **said})

    return made


def _erased(life: Life, opened: Record) -> Act:
    leaf = {"position": 2, "leaf": "f" * 64}
    table = {
        "table": f"{MODEL}/predictions",
        "root": "e" * 64,
        "rows": 9,
        "removed": 1,
        "columns": ["id"],
        "leaves": [leaf],
    }
    fields = {"id": "erasure-9", "reason": MARKER, "basis": "law", "tables": [table]}
    return Act(privacy.RowsErased, "erasure-9", {"tables": "a" * 64}, fields)


def _expired(life: Life, opened: Record) -> Act:
    life.adopt(SIGNED_POLICY)
    table = {"table": f"{MODEL}/predictions", "root": "e" * 64, "rows": 9, "removed": 9}
    fields = {
        "day": "2016-01-01", "reason": MARKER, "policy_digest": SIGNED_POLICY.digest, "retention_days": 9,
        "tables": [table],
    }  # fmt: skip
    return Act(privacy.RowsExpired, "2016-01-01", {"policy": SIGNED_POLICY.digest}, fields)


ACTS: tuple[Callable[[Life, Record], Act], ...] = (
    _approval,
    _granted,
    _withdrawn,
    _finding,
    _responded,
    _extended,
    _closed,
    _validation,
    _conclusion,
    _policy,
    _assessment,
    _intervention(champion.Rollback, "2", former=3, version="2"),
    _intervention(champion.Suspension, "3"),
    _intervention(champion.Resumption, "3"),
    _intervention(champion.Retirement, "3"),
    _step,
    _segment(champion.SegmentPaused),
    _segment(champion.SegmentResumed),
    _acknowledged,
    _incident_closed,
    _mitigated,
    _reported,
    _merged,
    _retraining,
    _discovered(discovery.DiscoveryIgnored, expires=at("2016-03-01")),
    _discovered(discovery.DiscoveryAssigned, governed_by=MODEL),
    _erased,
    _expired,
)
NAMES = (
    *("approval", "exception", "withdrawal", "finding", "response", "extension", "closure", "validation"),
    *("conclusion", "policy", "assessment"),
    *("rollback", "suspension", "resumption", "retirement"),
    *("step of the ladder", "pause of a segment", "resumption of a segment", "acknowledgement", "incident closure"),
    *("mitigation", "report", "merge", "retraining"),
    *("ignored discovery", "assigned discovery"),
    *("erasure", "retention"),
)


@pytest.fixture
def scene(lived: Ledger, life: Life) -> tuple[Life, Record]:
    """The model with a further version that waits for approval, and an open incident."""
    life.clock.at = at("2015-12-01")
    life.register("4")
    life.decide("4", "performance")
    life.card("4")
    return life, life.incident("inc-9", window="2004-04-01", cause="another")


# --- forgeries ------------------------------------------------------------------------------------------------------


def _unsigned(life: Life, act: Act) -> Event:
    return sign(life.ledger, act, None, act.person, ROLES[act.person])


def _stranger(life: Life, act: Act) -> Event:
    return sign(life.ledger, act, SigningKey.generate(), act.person, ROLES[act.person])


def _in_anothers_name(life: Life, act: Act) -> Event:
    """Signed by an enrolled person in the name and the role of another."""
    return sign(life.ledger, act, life.keys["developer"], act.person, ROLES[act.person])


def _without_the_role(life: Life, act: Act) -> Event:
    return sign(life.ledger, act, life.keys["developer"], "developer", ROLES[act.person])


def _for_another_model(life: Life, act: Act) -> Event:
    other = sign(life.ledger, act, life.keys[act.person], act.person, ROLES[act.person], model="acs_employment")
    return other if "model" not in type(other).model_fields else other.model_copy(update={"model": MODEL})


def _of_another_purpose(life: Life, act: Act) -> Event:
    event = sign(life.ledger, act, life.keys[act.person], act.person, ROLES[act.person])
    envelope = sign_statement(life.keys[act.person], act.subjects, "something-else/v1", {"model": MODEL})
    return event.model_copy(update={"envelope": envelope})


FORGERIES = (_unsigned, _stranger, _in_anothers_name, _without_the_role, _for_another_model, _of_another_purpose)


def shown(ledger: Ledger) -> tuple[dict[str, str], list[str]]:
    return answers(ledger), [text for page in pages(ledger).values() for text in as_if_it_counted(page)]


@pytest.mark.parametrize("act_of", ACTS, ids=NAMES)
def test_a_forged_record_is_shown_nowhere_as_if_it_counted(
    scene: tuple[Life, Record], act_of: Callable[[Life, Record], Act]
):
    life, opened = scene
    act = act_of(life, opened)
    before = answers(life.ledger)
    for forge in FORGERIES:
        written = life.write(forge(life, act), act.subject)
        assert written.seq in life.ledger.state().refusals, forge.__name__
    after, counting = shown(life.ledger)
    assert {name for name in before if before[name] != after[name]} == set()
    assert counting == []


@pytest.mark.parametrize("act_of", ACTS, ids=NAMES)
def test_a_record_under_no_signed_head_is_shown_nowhere_as_if_it_counted(
    scene: tuple[Life, Record], act_of: Callable[[Life, Record], Act]
):
    """Whoever may write to the database cannot add even a valid act: the ledger's key did not seal it."""
    life, opened = scene
    act = act_of(life, opened)
    before = answers(life.ledger)
    unsealed = Ledger(str(life.ledger.database.url.render_as_string(hide_password=False)), clock=life.clock)
    valid = sign(life.ledger, act, life.keys[act.person], act.person, ROLES[act.person])
    replace(life, ledger=unsealed).write(valid, act.subject)
    after, counting = shown(life.ledger)
    assert {name for name in before if before[name] != after[name]} == set()
    assert counting == []


@pytest.mark.parametrize("act_of", ACTS, ids=NAMES)
def test_a_valid_record_counts_and_the_same_again_does_not(
    scene: tuple[Life, Record], act_of: Callable[[Life, Record], Act]
):
    life, opened = scene
    act = act_of(life, opened)
    before = answers(life.ledger)
    valid = sign(life.ledger, act, life.keys[act.person], act.person, ROLES[act.person])
    first = life.write(valid, act.subject)
    after, counting = shown(life.ledger)
    assert first.seq not in life.ledger.state().refusals
    assert before != after or counting, "some reader shows it"
    if act.event is judgements.PolicyAdopted:
        return  # adopting the policy in force again changes nothing and is no forgery
    again = life.write(valid, act.subject)
    assert again.seq in life.ledger.state().refusals
    assert shown(life.ledger) == (after, counting)


def test_every_kind_of_signed_record_is_tried(scene: tuple[Life, Record]):
    about_models = [event for event in EVENTS if event.KIND not in PEOPLE_KINDS]
    signed_kinds = {event for event in about_models if issubclass(event, SignedEvent) or hasattr(event, "PURPOSE")}
    assert {act_of(*scene).event for act_of in ACTS} == signed_kinds
