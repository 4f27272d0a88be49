"""Attacks on a promotion by somebody who has the machine and the ledger's head key: one table for live ledger and packet.

Each row is done in a world in which version 1 was registered, decided on, approved and carded, and nothing was promoted. It
says what the audit of the live ledger and what the stand-alone verifier answer. Not here: files of a packet that were
changed after it was written (`test_resealed.py`, `test_verifier_files.py`).
"""

from datetime import date, timedelta

from mlops_assets.gates.gate import GateResult
from mlops_assets.governance.adoption import adopt
from mlops_assets.governance.approval_subject import approval_subject
from mlops_assets.governance.approvals import sign_approval
from mlops_assets.governance.decisions import record
from mlops_assets.governance.exceptions import sign_exception, withdraw_exception
from mlops_assets.governance.findings import record_finding
from mlops_assets.governance.validations import record_validation
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.enrolment import enrol, revoke
from mlops_assets.ledger.events.champion import ExceptionUsed, Rollback, Suspension
from mlops_assets.ledger.events.versions import SnapshotTaken
from mlops_assets.ledger.events.windows import LadderCheck, LadderTested
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.signatures import sign_statement
from mlops_assets.policy.policy import Policy
from mlops_assets.release.champion import champion_state
from mlops_assets.release.interventions import intervene, resume, retire, suspend
from mlops_assets_tests.evidence.packet.forging import (
    Attack,
    Do,
    anew,
    approval,
    past_promote,
    second_version,
    signed,
    written_again,
)
from mlops_assets_tests.evidence.packet.made import BETTER_CARD, issue_card
from mlops_assets_tests.governance.world import MODEL, World, policy, registration
from mlops_assets_tests.ledger.made import health_verdict, unsigned
from mlops_assets_tests.ledger.raw import raw


def rejected(world: World, rules: Policy) -> None:
    sign_approval(world.ledger, world.keys["second"], MODEL, 1, "not fit", "reject", policy=rules)
    past_promote(world, rules)


def rejected_in_validation(world: World, rules: Policy) -> None:
    ends = world.clock() + timedelta(days=90)
    record_validation(world.ledger, world.keys["second"], rules, MODEL, 1, "rejected", "unsound", valid_until=ends)
    past_promote(world, rules)


def validated_by_its_author(world: World, rules: Policy) -> None:
    ends = world.clock() + timedelta(days=90)
    last = record_validation(
        world.ledger, world.keys["second"], rules, MODEL, 1, "rejected", "unsound", valid_until=ends
    )
    registered = world.ledger.state().model(MODEL).version(1).registration
    assert registered is not None
    signed(
        world, "validation_recorded", "validation/v1", {"registration": registered.digest}, person="developer",
        role="developer", version="1", outcome="approved", summary="sound", valid_until=iso(ends), conditions=[],
        restrictions=[], follows=last.seq,
    )  # fmt: skip
    past_promote(world, rules)


def policy_without_gates(world: World, rules: Policy) -> None:
    adopt(world.ledger, MODEL, rules)
    lax = policy(approvals=[], gates={gate: {"required": False} for gate in rules.gates.names})
    past_promote(world, lax)


def superseded_policy(world: World, rules: Policy) -> None:
    adopt(world.ledger, MODEL, rules)
    adopt(world.ledger, MODEL, policy(validity_days=30))
    past_promote(world, rules)


def policy_that_nobody_signed(world: World, rules: Policy) -> None:
    """The policy in force asks for a signature under the next one, and the next one comes without."""
    strict = policy(adoption={"roles": ["model-risk"]})
    adopt(world.ledger, MODEL, strict, key=world.keys["risk"], rationale="start")
    body = {"policy_digest": rules.digest, "tier": rules.tier, "policy": rules.model_dump(mode="json"), "changes": []}
    body |= {"before": strict.digest, "account": "", "envelope": None, "person": None}
    world.ledger.append(raw("policy_adopted", body), model=MODEL, subject=rules.digest[:12])
    past_promote(world, rules)


def failing(world: World, rules: Policy) -> None:
    """Gate performance fails, and is approved all the same."""
    world.decide(rules, performance="failed")
    world.approve(rules, "validator", "risk")


def exception(person: str, role: str, days: int) -> Do:
    def do(world: World, rules: Policy) -> None:
        if person == "developer":
            enrol(world.ledger, world.keys["root"], person, world.keys[person].public, ["developer", "model-risk"])
        failing(world, rules)
        expires = world.clock() + timedelta(days=days)
        says = {
            "version": None,
            "gate": "performance",
            "reason": "pilot",
            "expires": iso(expires),
            "about": "performance",
        }
        granted = signed(
            world, "exception_granted", "exception/v1", {"policy": rules.digest}, person=person, role=role, **says
        )
        past_promote(world, rules, exceptions=(ExceptionUsed(gate="performance", seq=granted.seq, expires=expires),))

    return do


def withdrawn_exception(world: World, rules: Policy) -> None:
    failing(world, rules)
    expires = world.clock() + timedelta(days=30)
    granted = sign_exception(world.ledger, world.keys["risk"], rules, MODEL, "performance", "under review", expires)
    withdraw_exception(world.ledger, world.keys["risk"], MODEL, granted.seq, "settled")
    past_promote(world, rules)


def failed_gate(world: World, rules: Policy) -> None:
    failing(world, rules)
    past_promote(world, rules)


def approvals_of_another_version(world: World, rules: Policy) -> None:
    past_promote(world, rules)
    second_version(world, rules, approved=False)
    theirs = tuple(a.record.seq for a in world.ledger.state().model(MODEL).version(1).approvals)
    past_promote(world, rules, 2, approvals=theirs)


def approved_afterwards(world: World, rules: Policy) -> None:
    world.decide(rules, performance="not_measurable")
    world.decide(rules)
    head = world.ledger.last()
    assert head is not None
    past_promote(world, rules, approvals=(head.seq + 2, head.seq + 3))
    world.approve(rules, "validator", "risk")


def enrolled_afterwards(world: World, rules: Policy) -> None:
    anew(world, rules)
    world.approve(rules, "risk")
    early = approval(world, rules, "stranger", "validator")
    enrol(world.ledger, world.keys["root"], "stranger", world.keys["stranger"].public, ["validator"])
    mine = world.ledger.state().model(MODEL).version(1).approvals[-1].record.seq
    past_promote(world, rules, approvals=(mine, early.seq))


def revoked_before(world: World, rules: Policy) -> None:
    anew(world, rules)
    world.approve(rules, "risk")
    revoke(world.ledger, world.keys["root"], "second", "has left")
    late = approval(world, rules, "second", "validator")
    mine = world.ledger.state().model(MODEL).version(1).approvals[-1].record.seq
    past_promote(world, rules, approvals=(mine, late.seq))


def approved_by_an_author(world: World, rules: Policy) -> None:
    anew(world, rules)
    enrol(world.ledger, world.keys["root"], "developer", world.keys["developer"].public, ["developer", "validator"])
    world.approve(rules, "risk")
    own = approval(world, rules, "developer", "validator")
    mine = world.ledger.state().model(MODEL).version(1).approvals[-1].record.seq
    past_promote(world, rules, approvals=(mine, own.seq))


def replayed_approval(world: World, rules: Policy) -> None:
    """The validator approves, then rejects; the approval is recorded again."""
    old = next(a.record for a in world.ledger.state().model(MODEL).version(1).approvals)
    sign_approval(world.ledger, world.keys["validator"], MODEL, 1, "not fit", "reject", policy=rules)
    world.ledger.append(raw("approval", old.event.body()), model=MODEL, subject="1")
    past_promote(world, rules)


def gate_by_other_code(world: World, rules: Policy) -> None:
    """A gate decides again with another program after the version was approved."""
    result = GateResult("cost", "passed", 0.9, 0.7, "rule", "reason", {}, {"evidence": "a" * 64, "code": "b" * 64})
    record(world.ledger, MODEL, 1, result, rules)
    past_promote(world, rules)


def gates_under_another_policy(world: World, rules: Policy) -> None:
    other = policy(validity_days=77)
    about = approval_subject(world.ledger.state().model(MODEL), 1, rules.digest)
    decisions = tuple(d.seq for d in about.decisions.values())
    past_promote(world, other, decisions=decisions, digests={**about.subjects, "policy": other.digest})


def open_finding(world: World, rules: Policy) -> Record:
    due = world.clock() + timedelta(days=9)
    return record_finding(world.ledger, world.keys["second"], MODEL, "critical", "it leaks", "developer", due)


def past_a_finding(world: World, rules: Policy) -> None:
    open_finding(world, rules)
    past_promote(world, rules)


def finding_closed_by_its_author(world: World, rules: Policy) -> None:
    found = open_finding(world, rules)
    signed(
        world, "finding_closed", "finding-closure/v1", {"finding": found.digest}, person="developer", role="developer",
        id=found.subject, note="done", about=found.subject,
    )  # fmt: skip
    past_promote(world, rules)


def two_champions(world: World, rules: Policy) -> None:
    past_promote(world, rules)
    second_version(world, rules)
    past_promote(world, rules, 2, former=None)


def while_suspended(world: World, rules: Policy) -> None:
    past_promote(world, rules)
    suspend(world.ledger, world.registry, MODEL, world.keys["risk"], "look into it")
    second_version(world, rules)
    past_promote(world, rules, 2)


def after_the_end(world: World, rules: Policy) -> None:
    past_promote(world, rules)
    second_version(world, rules)
    retire(world.ledger, world.registry, MODEL, world.keys["risk"], "product ended")
    past_promote(world, rules, 2)


def past_the_ladder(world: World, rules: Policy) -> None:
    past_promote(world, rules)
    second_version(world, rules, time=True)
    past_promote(world, rules, 2)


def past_a_failed_test(world: World, rules: Policy) -> None:
    """A version that was worse than the champion beside it decides nevertheless."""
    past_promote(world, rules)
    second_version(world, rules, time=True)
    for month in range(1, 1 + rules.release.shadow_windows):
        world.score(f"2025-{month:02d}-01", 2)
    check = LadderCheck(name="performance", outcome="failed", reason="AUC fell by 0.05")
    test = LadderTested(
        window=date(2025, 1, 1),
        champion=1,
        canary_share=0.0,
        outcome="failed",
        tests=(check,),
        policy_digest=rules.digest,
    )
    world.ledger.append(test, model=MODEL, subject="2")
    past_promote(world, rules, 2)


def unsigned_rollback(world: World, rules: Policy) -> None:
    past_promote(world, rules)
    second_version(world, rules)
    past_promote(world, rules, 2)
    last = world.ledger.last()
    assert last is not None
    world.ledger.append(unsigned("rollback", "1", last.seq), model=MODEL, subject="1")


def suspension_left_out(world: World, rules: Policy) -> None:
    """The ledger is written again without a suspension, and sealed; the resumption after it stays."""
    past_promote(world, rules)
    suspend(world.ledger, world.registry, MODEL, world.keys["risk"], "look into it")
    resume(world.ledger, world.registry, MODEL, world.keys["risk"], "settled", world.verify_artifact)
    written_again(world, lambda r: r.kind != "suspension")


def gate_left_out(world: World, rules: Policy) -> None:
    """The ledger is written again without one gate's decision, and sealed."""
    past_promote(world, rules)
    gone = next(r for r in world.ledger.records(kind="gate_decision"))
    written_again(world, lambda r: r.seq != gone.seq)


def another_card(world: World, rules: Policy) -> None:
    """Another card is issued after the approvals."""
    issue_card(world, BETTER_CARD)
    past_promote(world, rules)


def card_of_the_approvals(world: World, rules: Policy) -> None:
    """The promotion names the card that was approved, after another one was issued."""
    about = dict(approval_subject(world.ledger.state().model(MODEL), 1, rules.digest).subjects)
    issue_card(world, BETTER_CARD)
    past_promote(world, rules, digests=about)


def key_nobody_enrolled(world: World, rules: Policy) -> None:
    """A validator gets another key by an enrolment that its own holder signs, and approves with it."""
    anew(world, rules)
    world.approve(rules, "risk")
    forger = SigningKey.generate()
    says = {
        "name": "second", "roles": ["validator"], "models": ["*"], "valid_from": iso(world.clock()), "valid_until": None,
        "public_key": forger.public.pem, "follows": world.ledger.state().people.last_of("second"),
    }  # fmt: skip
    subjects = {"key:second": forger.public.key_id}
    body = {**says, "key_id": forger.public.key_id, "envelope": sign_statement(forger, subjects, "enrolment/v1", says)}
    world.ledger.append(raw("person_enrolled", body), subject="second")
    world.keys = {**world.keys, "second": forger}
    mine = world.ledger.state().model(MODEL).version(1).approvals[-1].record.seq
    past_promote(world, rules, approvals=(mine, approval(world, rules, "second", "validator").seq))


def snapshot_of_other_rows(world: World, rules: Policy) -> None:
    """A version is registered with the digest of some rows and the record of others."""
    taken = SnapshotTaken(
        rows=9, quarantined=0, table="t", ordered_by="id", delta_version=1, declaration_digest="d" * 64
    )  # fmt: skip
    other = world.ledger.append(taken, model=MODEL, subject="e" * 64)
    world.ledger.append(registration(2).model_copy(update={"snapshot_record": other.seq}), model=MODEL, subject="2")
    world.registry.tags[MODEL, 2] = {}
    world.decide(rules, 2)
    world.approve(rules, "validator", "risk", version=2)
    past_promote(world, rules, 2)


def rollback_for(severity: str, version: str) -> Do:
    """The service key rolls back because of a verdict that calls for none."""

    def do(world: World, rules: Policy) -> None:
        letting = policy(exceptions={"roles": ["model-risk"], "max_days": 90}, automation={"rollback": True})
        adopt(world.ledger, MODEL, letting)
        for number in (1, 2):
            if number == 2:
                world.register(2)
            world.decide(letting, number)
            world.approve(letting, "validator", "risk", version=number)
            mine = world.ledger.state().model(MODEL).version(number).approvals[-2:]
            past_promote(world, letting, number, approvals=tuple(a.record.seq for a in mine))
        service = SigningKey.generate()
        enrol(world.ledger, world.keys["root"], "automation", service.public, ["automation"])
        found = health_verdict("2026-02-01", severity=severity, version=version)
        seen = world.ledger.append(found, model=MODEL, subject="2026-02-01")
        grounds = {
            "cause": "x", "occasion": "y", "evidence": seen.seq, "former": 2, "version": "1",
            "policy_digest": letting.digest, "policy": letting.model_dump(mode="json"),
        }  # fmt: skip
        now = champion_state(world.ledger, MODEL)
        intervene(
            world.ledger, world.registry, now, Rollback, "1", service, "because", about=grounds, roles=("automation",)
        )  # fmt: skip

    return do


def suspended_for(severity: str, kind: str, version: str = "1") -> Do:
    """The service key suspends the champion on a verdict, under a policy that lets it for a broken relation."""

    def do(world: World, rules: Policy) -> None:
        letting = policy(
            exceptions={"roles": ["model-risk"], "max_days": 90},
            automation={"suspend": True},
            response={"concept_drift": ["incident", "suspend"]},
        )
        adopt(world.ledger, MODEL, letting)
        world.decide(letting)
        world.approve(letting, "validator", "risk")
        mine = world.ledger.state().model(MODEL).version(1).approvals[-2:]
        past_promote(world, letting, approvals=tuple(a.record.seq for a in mine))
        service = SigningKey.generate()
        enrol(world.ledger, world.keys["root"], "automation", service.public, ["automation"])
        found = health_verdict("2026-02-01", severity=severity, kind=kind, version=version)
        seen = world.ledger.append(found, model=MODEL, subject="2026-02-01")
        grounds = {
            "cause": "x", "occasion": "y", "evidence": seen.seq, "policy_digest": letting.digest,
            "policy": letting.model_dump(mode="json"),
        }  # fmt: skip
        now = champion_state(world.ledger, MODEL)
        intervene(
            world.ledger, world.registry, now, Suspension, "1", service, "because", about=grounds, roles=("automation",)
        )  # fmt: skip

    return do


def on_a_step(*outcomes: str, share: float = 0.0, signer: str = "", **release: object) -> Do:
    """A version is promoted that stands on a step of another ladder: a window with tests, and perhaps a signature."""

    def do(world: World, rules: Policy) -> None:
        past_promote(world, rules)
        other = policy(exceptions={"roles": ["model-risk"], "max_days": 90}, release={"shadow_windows": 0, **release})
        adopt(world.ledger, MODEL, other)
        second_version(world, other, time=True)
        world.score("2025-01-01", 2, canary_share=share or None)
        checks = tuple(
            LadderCheck(name=name, outcome="passed", reason="", value=-0.2, error=0.01, rows=50) for name in outcomes
        )
        test = LadderTested(
            window=date(2025, 1, 1), champion=1, canary_share=share, outcome="passed", tests=checks, policy_digest=other.digest
        )  # fmt: skip
        world.ledger.append(test, model=MODEL, subject="2")
        if signer:
            enrol(world.ledger, world.keys["root"], signer, world.keys[signer].public, ["developer", "model-risk"])
            signed(
                world, "ladder_step_signed", "ladder-step/v1", {"registration": "a" * 64}, person=signer,
                role="model-risk", about="2", version="2", step="shadow", champion=1, tested=0, rationale="fine",
            )  # fmt: skip
        past_promote(world, other, 2)

    return do


PROMOTED_PAST = (
    Attack("a signed rejection", rejected, "it was rejected then", "second had rejected the version"),
    Attack(
        "a validation that rejected it", rejected_in_validation, "rejected it in validation", "second had rejected"
    ),
    Attack(
        "a rejection that an author validated away", validated_by_its_author, "rejected it in validation",
        "second had rejected",
    ),
    Attack("a failed gate", failed_gate, "gate performance was failed", "gate performance was failed"),
    Attack("an open finding", past_a_finding, "finding loans-F1 (critical) was open", "finding loans-F1"),
    Attack(
        "a finding that its author closed", finding_closed_by_its_author, "finding loans-F1 (critical) was open",
        "finding loans-F1",
    ),
    Attack("a suspension", while_suspended, "the model was suspended", "the model was suspended"),
    Attack("a retirement", after_the_end, "retired", "had been retired"),
    Attack("the release ladder", past_the_ladder, "it was on the ladder (shadow)", "it was on the release ladder"),
    Attack("a failed test beside the champion", past_a_failed_test, "it was sent back", "had failed beside the champion"),
    Attack(
        "a smaller share than the ladder's last", on_a_step(share=0.1, canary_windows=1, canary_shares=[0.1, 0.4]),
        "it was on the ladder (canary)", "in the step canary 0.4",
    ),
    Attack(
        "too few rows in shadow", on_a_step(shadow_rows=101), "it was on the ladder (shadow)", "100 of 101 rows",
    ),
    Attack(
        "a test that had to pass", on_a_step("speed", shadow_windows=1, must_pass=["performance"]),
        "not passed in any of them: performance", "performance had not passed in the step shadow",
    ),
    Attack(
        "a step that nobody signed", on_a_step(shadow_windows=1, advance="signed"), "waits for a signature",
        "nobody had signed for the step shadow",
    ),
    Attack(
        "a step that its author signed", on_a_step(shadow_windows=1, advance="signed", signer="developer"),
        "waits for a signature", "nobody had signed for the step shadow",
    ),
    Attack(
        "an A/B test that failed", on_a_step("ab", share=0.5, takeover="ab", ab_windows=1), "A/B test",
        "had failed its A/B test",
    ),
    Attack(
        "an A/B test without outcomes", on_a_step(share=0.5, takeover="ab", ab_windows=1),
        "outcomes are known of 0 of 1", "its A/B test was not decided",
    ),
)  # fmt: skip

AUTHORITY = (
    Attack("a policy without gates", policy_without_gates, "was not in force then", "was not in force then"),
    Attack("a policy that was replaced", superseded_policy, "was not in force then", "was not in force then"),
    Attack("a policy nobody signed", policy_that_nobody_signed, "was not in force then", "was not in force then"),
    Attack(
        "an author's exception of 3,000 days", exception("developer", "model-risk", 3000), "gate performance was failed",
        "by developer, who built this version",
    ),
    Attack(
        "an exception of 3,000 days", exception("risk", "model-risk", 3000), "gate performance was failed",
        "lasts longer than the 90 days",
    ),
    Attack(
        "an exception in a role without authority", exception("second", "validator", 30), "gate performance was failed",
        "which the policy does not allow",
    ),
    Attack("a withdrawn exception", withdrawn_exception, "gate performance was failed", "had been withdrawn by record"),
    Attack(
        "approvals of another version", approvals_of_another_version, "it was pending then",
        "was signed over other digests",
    ),
    Attack("an approval after the promotion", approved_afterwards, "it was pending then", "is no signed approval"),
    Attack("an approval by somebody enrolled later", enrolled_afterwards, "it was pending then", "is no signed approval"),
    Attack("an approval with a revoked key", revoked_before, "it was pending then", "is no signed approval"),
    Attack("an approval by an author", approved_by_an_author, "it was pending then", "built this version and approved"),
    Attack("an approval recorded again after the rejection", replayed_approval, "it was rejected then", "had rejected"),
)  # fmt: skip

RECORDS = (
    Attack("a gate decided by other code since", gate_by_other_code, "it was pending then", "over other digests"),
    Attack(
        "gates decided under another policy", gates_under_another_policy, "gate performance was missing",
        "which is no gate decision on this version under its policy",
    ),
    Attack("two champions at once", two_champions, "it names None as former champion", "names None as former champion"),
    Attack("a rollback nobody signed", unsigned_rollback, "signature", "carries no signature that counts"),
    Attack("a suspension left out", suspension_left_out, "a replay", "a replay"),
    Attack("a gate's decision left out", gate_left_out, "gate contract was missing", "is no gate decision"),
)  # fmt: skip

EXCHANGED = (
    Attack("another card after the approvals", another_card, "it was pending then", "over other digests"),
    Attack("the approved card named, another one issued", card_of_the_approvals, "pending then", "its digest of card"),
    Attack("a person's key exchanged by nobody's root", key_nobody_enrolled, "it was pending then", "no signed approval"),
    Attack("a snapshot of other rows", snapshot_of_other_rows, "which has other rows", "which is none of its rows"),
    Attack("a rollback for a good verdict", rollback_for("watch", "2"), "is at watch", "calls for no rollback"),
    Attack("a suspension for a mild verdict", suspended_for("watch", "concept_drift"), "no suspension", "no suspension"),
    Attack("a suspension for a shift that needs none", suspended_for("act", "covariate_shift"), "no suspension", "no suspension"),
    Attack("a suspension for another version", suspended_for("act", "concept_drift", "2"), "version 2", "no suspension"),
    Attack("a rollback for another version's verdict", rollback_for("act", "1"), "version 1", "calls for no rollback"),
)  # fmt: skip

ATTACKS = (*PROMOTED_PAST, *AUTHORITY, *RECORDS, *EXCHANGED)
