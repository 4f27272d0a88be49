"""Make the golden ledger and packet beside this file: `python -m mlops_assets_tests.golden.make`.

They hold a record of every kind, and stay as they are: a later release must read them. Run this only to add further files
for a new schema version; the keys are new each time and are not kept.
"""

import hashlib
import json
import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from mlops_assets.evidence.packet.packet import PacketParts, write_packet
from mlops_assets.governance.conclusions import Judgement, sign_conclusion
from mlops_assets.ledger.canonical import canonical_json, digest, digest_text, iso
from mlops_assets.ledger.enrolment import enrol, revoke
from mlops_assets.ledger.events import champion, discovery, response, versions, windows
from mlops_assets.ledger.events.clock import SimulatedClock
from mlops_assets.ledger.events.judgements import FindingClosed, FindingExtended, FindingResponded
from mlops_assets.ledger.events.privacy import RemovedFrom, RemovedLeaf, RowsErased, RowsExpired
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.model import LedgerState, ModelState
from mlops_assets.policy.policy import Policy
from mlops_assets.release.promotion import promote
from mlops_assets_tests.evidence.life import POLICY, Clock, Life, at
from mlops_assets_tests.governance.world import MemoryRegistry
from mlops_assets_tests.ledger.raw import raw

HERE = Path(__file__).parent
MODEL, OTHER = "loans", "cards"
DECLARATION = canonical_json({"name": MODEL, "event_time": None})
CARD = canonical_json({"model": MODEL, "version": "1"})
FILES = {"card.html": b"<p>card</p>", "performance": b'{"auc": 0.8}', "drift": b'{"rows": 100}'}
ARTIFACT = digest([MODEL, 1])
RULES = POLICY.model_copy(update={"release": type(POLICY.release)(shadow_windows=0)})


def file_digest(name: str) -> str:
    return hashlib.sha256(FILES[name]).hexdigest()


def line(record: Record) -> dict[str, Any]:
    """A record as a row of the table `ledger_records`."""
    return {
        "seq": record.seq,
        "kind": record.kind,
        "model": record.model,
        "subject": record.subject,
        "happened_at": iso(record.happened_at),
        "recorded_at": iso(record.recorded_at),
        "key": record.key,
        "body": canonical_json(record.body),
        "previous": record.previous,
        "digest": record.digest,
    }


def summary(state: LedgerState) -> dict[str, Any]:
    """What a state adds up to, in the fewest words that a later release must still say."""
    return {
        "models": {model.name: _model(model) for model in (state.fleet, *state)},
        "discovered": {
            found.id: [found.governed_by, bool(found.ignored), bool(found.gone_at)]
            for found in state.fleet.discovered.values()
        },
        "searches": {searched.source: [searched.found, searched.unread] for searched in state.fleet.searches.values()},
        "refused": {str(refused.seq): refused.kind for refused in state.refused},
    }


def _model(model: ModelState) -> dict[str, Any]:
    return {
        "lifecycle": model.lifecycle,
        "champion": model.champion.version,
        "former": model.champion.former,
        "promoted": list(model.champion.promoted),
        "versions": {
            name: {
                "artifact": known.registration.event.artifact_digest if known.registration else None,
                "gates": {gate: decision.outcome for gate, decision in known.decided().items()},
                "approved by": [given.record.event.person for given in known.approvals],
                "conclusions": [record.event.outcome for record in known.conclusions],
                "validations": [record.event.outcome for record in known.validations],
                "card": known.card.event.digest if known.card else None,
            }
            for name, known in model.versions.items()
        },
        "policies": [record.event.policy_digest for record in model.policies],
        "assessments": [[record.event.tier, iso(record.event.expires)] for record in model.assessments],
        "exceptions": {e.gate: iso(e.withdrawn_at) if e.withdrawn_at else None for e in model.exceptions},
        "findings": {
            finding.id: [finding.severity, iso(finding.due), finding.response, finding.closed_by]
            for finding in model.findings.values()
        },
        "incidents": {
            i.id: [
                [i.kind, i.state, i.disposition, i.acknowledged_by, i.mitigated_by, i.merged_into, sorted(i.models)],
                [list(i.tickets), [r.person for r in i.reports], [e.disposition for e in i.earlier], i.former],
            ]
            for i in model.incidents.values()
        },
        "requests": {r.id: r.closed.event.outcome if r.closed else None for r in model.requests.values()},
        "verdicts": {window: [v.severity, v.kind] for window, v in model.window_verdicts.items()},
        "scored": {window: [s.version, s.rows] for window, s in model.scored.items()},
        "removals": {place: [r.cause, r.rows, r.removed] for place, r in model.removals.items()},
        "due": {window: ended.isoformat() for window, ended in model.due.items()},
    }


def write_life(life: Life, registry: MemoryRegistry) -> None:
    """A version from its rows to its promotion, a second one, and everything that can happen to a model."""
    life.enrol("2026-03-01")
    second = SigningKey.generate()
    enrol(life.ledger, life.keys["root"], "second", second.public, ["validator"])
    assert life.ledger.head_key is not None
    enrol(life.ledger, life.keys["root"], "the-ledger", life.ledger.head_key.public, ["ledger"])
    revoke(life.ledger, life.keys["root"], "second", "left the bank")
    life.adopt(RULES)
    life.assess("model-risk", "high", "2027-02-01")
    _version(life, registry, "1")
    life.validate(
        "validator", "1", "approved_with_conditions", "sound for its use", "2027-03-01", conditions=("small loans",)
    )
    judgement = Judgement("sr_26_2", "V.1.a", "answered", "sound", digest_text("evidence"))
    sign_conclusion(life.ledger, life.keys["validator"], MODEL, 1, judgement)
    promote(life.ledger, registry, RULES, MODEL, 1, lambda _model, _version: ARTIFACT)
    _window(life)
    _incident_and_finding(life)
    _version(life, registry, "2")
    promote(life.ledger, registry, RULES, MODEL, 2, lambda _model, _version: ARTIFACT)
    step = life.sign(
        "validator", champion.StepSigned, {"registration": digest_text("2")}, version="2", step="shadow", champion=1,
        tested=0, rationale="it was no worse",
    )  # fmt: skip
    life.write(step, "2")
    where = "state == 'TX'"
    life.intervene("validator", champion.SegmentPaused, where, "floods", where=where)
    paused = life.ledger.latest_of(champion.SegmentPaused, model=MODEL)
    assert paused is not None
    life.intervene("model-risk", champion.SegmentResumed, where, "they are over", where=where, pause=paused.seq)
    life.intervene("validator", champion.Suspension, "2", "prices are wrong")
    life.intervene("model-risk", champion.Resumption, "2", "prices are right")
    life.intervene("model-risk", champion.Rollback, "1", "the former was better", former=2, version="1")
    _removed_rows(life)
    life.ledger.append(raw("approval", {"person": "validator", "decision": "approve"}), model=MODEL, subject="2")
    life.ledger.append(SimulatedClock(machine_time=at("2026-03-01")))
    life.ledger.append(raw("of_a_later_release", {"schema_version": 7}), model=MODEL, subject="x")
    _discovery(replace(life, model=""))
    other = replace(life, model=OTHER)
    other.register("1")
    other.promote("1", None)
    other.intervene("model-risk", champion.Retirement, "1", "replaced by a rule")


def _discovery(fleet: Life) -> None:
    """Three things that a search found: one is ignored, one assigned, and one gone."""
    for name in ("ignored", "assigned", "gone"):
        found = discovery.ModelDiscovered(
            source="notebooks", place=f"notebooks/{name}.ipynb", name=name, form="notebook", why="it calls .fit",
            confidence="likely", digest=digest_text(name), basis=digest_text("fit"), facts={"version": "1"},
        )  # fmt: skip
        about = {"discovery": fleet.write(found, f"D-{name}").digest}
        said: dict[str, Any] = {"id": f"D-{name}", "reason": "because"}
        if name == "ignored":
            event = fleet.sign("model-risk", discovery.DiscoveryIgnored, about, **said, expires=at("2026-08-01"))
            fleet.write(event, "D-ignored")
        if name == "assigned":
            event = fleet.sign("model-risk", discovery.DiscoveryAssigned, about, **said, governed_by=MODEL)
            fleet.write(event, "D-assigned")
    fleet.write(discovery.ModelGone(source="notebooks", place="notebooks/gone.ipynb"), "D-gone")
    fleet.write(discovery.SourceSearched(found=2, unread=1, reasons=("notebooks/x: Permission denied",)), "notebooks")


def _removed_rows(life: Life) -> None:
    """A row that was erased, and a window that was past its date."""
    table, root = f"{MODEL}/predictions", digest_text("rows")
    leaf = RemovedLeaf(position=3, leaf=digest_text("a row and its salt"))
    one = RemovedFrom(
        table=table, window="2026-03-01", digest=digest_text("digest"), root=root, rows=10, removed=1, columns=("id",),
        leaves=(leaf,),
    )  # fmt: skip
    subjects = {"tables": digest_text("tables")}
    erased = life.sign(
        "model-risk", RowsErased, subjects, id="erasure-1", reason="asked for", basis="GDPR Article 17", tables=(one,)
    )
    life.write(erased, "erasure-1")
    whole = RemovedFrom(table=table, window="2026-02-01", root=digest_text("other rows"), rows=5, removed=5)
    expired = life.sign(
        "model-risk", RowsExpired, subjects, day=date(2026, 4, 2), reason="past its date", policy_digest=RULES.digest, retention_days=3650,
        versions=("1",), tables=(whole,),
    )  # fmt: skip
    life.write(expired, "2026-04-02")


def _version(life: Life, registry: MemoryRegistry, version: str) -> None:
    taken = life.snapshot(version)
    life.register(
        version, snapshot_record=taken.seq, artifact_digest=ARTIFACT, declaration_digest=digest_text(DECLARATION),
        declaration=json.loads(DECLARATION),
    )  # fmt: skip
    registry.tags[MODEL, int(version)] = {}
    stored = versions.EvidenceStored(name="performance", digest=file_digest("performance"))
    life.write(stored, f"run-{version}")
    for gate in RULES.gates.names:
        life.decide(version, gate, "failed" if gate == "fairness" else "passed", policy_digest=RULES.digest)
    card = versions.CardIssued(
        digest=digest_text(CARD), path=f"cards/{MODEL}/v{version}", missing=(),
        files={"card.html": file_digest("card.html")},
    )  # fmt: skip
    life.write(card, version)
    granted = life.grant("model-risk", "fairness", "under review", "2026-08-01", version=version)
    if version == "1":
        wide = life.grant("model-risk", "cost", "a new machine is coming", "2026-08-01")
        life.withdraw("model-risk", wide, "it has come")
    assert granted.seq not in life.ledger.state().refusals
    for person in ("validator", "model-risk"):
        _approve(life, person, version)


def _approve(life: Life, person: str, version: str) -> None:
    from mlops_assets.governance.approvals import sign_approval

    sign_approval(life.ledger, life.keys[person], MODEL, version, "evidence is sound", policy=RULES)


def _window(life: Life) -> None:
    life.write(windows.WindowDue(ended=date(2026, 4, 1)), "2026-03-01", "2026-04-01")
    life.judge(
        "2026-03-01", "2026-04-01", "act", "label_shift", "1", reasons=("Defaults doubled.",), action=("incident",),
        causes=({"kind": "label_shift", "severity": "act", "evidence": "Defaults doubled."},),
        evidence={"drift": file_digest("drift")}, fleet={"p_value": 0.01, "adjusted": 0.02, "models": 2, "judged": 2},
    )  # fmt: skip
    checked = windows.EstimateChecked(
        version="1", abstained=False, reason="", matured_share=1.0, checked=({"metric": "roc_auc", "estimate": 0.8},)
    )
    life.write(checked, "2026-03-01")
    check = windows.LadderCheck(
        name="performance", outcome="passed", reason="no worse", value=0.01, low=-0.005, high=0.02, limit=-0.01
    )
    tested = windows.LadderTested(
        window=date(2026, 3, 1),
        champion=1,
        canary_share=0.0,
        outcome="passed",
        tests=(check,),
        policy_digest=RULES.digest,
    )
    life.write(tested, "2")


def _incident_and_finding(life: Life) -> None:
    opened = life.incident("inc-1", window="2026-03-01")
    about = {"incident": opened.digest}
    life.write(life.sign("validator", response.IncidentAcknowledged, about, id="inc-1", note="looking"), "inc-1")
    life.write(life.sign("validator", response.IncidentMitigated, about, id="inc-1", note="limits lowered"), "inc-1")
    life.write(response.IncidentTicketed(reference="RISK-7"), "inc-1")
    life.close("model-risk", opened, "a new product")
    shows = {"kind": "label_shift", "severity": "act", "window": "2026-04-01", "summary": "Defaults doubled again."}
    again = life.write(response.IncidentReopened.model_validate(shows), "inc-1")
    signed = life.sign(
        "validator", response.IncidentReported, {"incident": again.digest, "report": digest_text("report")}, id="inc-1",
        report=digest_text("report"), note="",
    )  # fmt: skip
    life.write(signed, "inc-1")
    _shared_incident(life, again.digest)
    life.request("r-1", "label shift", "2026-03-01")
    life.write(response.RetrainingClosed(version="2", outcome="promoted"), "r-1")
    registration = life.ledger.state().model(MODEL).version("1").registration
    assert registration is not None
    found = life.find("validator", "F1", "weak data", "2026-09-01", "medium", "1", "review each month")
    about = {"finding": found.digest}
    life.write(life.sign("model-risk", FindingResponded, about, id="F1", response="more data"), "F1")
    later = {"id": "F1", "due": at("2026-10-01"), "reason": "the data come in autumn"}
    life.write(life.sign("validator", FindingExtended, about, **later), "F1")
    life.write(life.sign("validator", FindingClosed, about, id="F1", note="settled"), "F1")


def _shared_incident(life: Life, digest: str) -> None:
    """One incident of the fleet for a source of two models, which takes up those of its models."""
    fleet = replace(life, model="")
    shared = {"kind": "label_shift", "severity": "act", "summary": "Defaults doubled."}
    here = response.ConcernedModel(model=MODEL, window="2026-03-01", cause="label_shift")
    there = response.ConcernedModel(model=OTHER, window="2026-03-01", columns=("income",), cause="label_shift")
    opened = fleet.write(
        response.IncidentOpened.model_validate(
            {**shared, "window": "2026-03-01", "cause": "shared:label_shift", "models": (here,)}
        ),
        "inc-2",
    )
    fleet.write(
        response.IncidentWidened(kind="label_shift", severity="act", concerned=there, summary="As well."), "inc-2"
    )
    about = {"incident": digest, "into": opened.digest}
    statement = {"id": "inc-1", "into": "inc-2", "into_model": "", "note": "one source"}
    life.write(life.sign("validator", response.IncidentMerged, about, **statement), "inc-1")
    life.incident("inc-3", window="2026-03-01", former="inc-1")
    life.write(response.IncidentTakenUp(into="inc-2", reason="one source"), "inc-3")


def parts(policy: Policy) -> PacketParts:
    return PacketParts(
        declaration=DECLARATION,
        policy=canonical_json(policy.model_dump(mode="json")),
        card={"card.json": CARD.encode(), "card.html": FILES["card.html"]},
        evidence={"performance.json": FILES["performance"]},
        windows={"2026-03-01/drift.json": FILES["drift"]},
        reports={"requirements.json": b"[]\n"},
    )


def main(folder: Path = HERE) -> None:
    """Write `ledger.jsonl`, `packet.zip` and `expected.json`."""
    with tempfile.TemporaryDirectory() as scratch:
        clock = Clock(at("2026-03-01"))
        head = SigningKey.generate()
        ledger = Ledger(f"sqlite:///{scratch}/ledger.db", head, Path(scratch) / "anchor.json", clock=clock)
        life = Life(ledger, clock, MODEL)
        write_life(life, MemoryRegistry())
        anchor = ledger.sealed_head()
        assert anchor is not None
        first = {"root": life.keys["root"].public.key_id, "head_key": head.public.pem, "head": anchor.to_dict()}
        lines = [first, *(line(record) for record in ledger.records())]
        write_packet(folder / "packet.zip", ledger, MODEL, "1", parts(RULES))
        text = "".join(json.dumps(each, ensure_ascii=False, sort_keys=True) + "\n" for each in lines)
        (folder / "ledger.jsonl").write_text(text, encoding="utf-8")
        expected = json.dumps(summary(ledger.state(fresh=True)), indent=1, sort_keys=True) + "\n"
        (folder / "expected.json").write_text(expected, encoding="utf-8")


if __name__ == "__main__":
    main()
