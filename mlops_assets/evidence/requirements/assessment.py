"""Whether each clause of a profile has its evidence, and what a person concluded about it.

The words here are "evidence present", "missing" and "stale": an artefact that is there says nothing about whether a
supervisor would be satisfied with it. What only a person can judge waits for a signed conclusion.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, get_args

from mlops_assets.evidence.card.card import CardInputs
from mlops_assets.evidence.requirements.artefacts import ARTEFACTS, Artefact, Stage, artefacts_of_card
from mlops_assets.evidence.requirements.profiles import Clause, Profile
from mlops_assets.ledger.canonical import digest
from mlops_assets.ledger.state.model import ModelState

Verdict = Literal["present", "missing", "stale", "insufficient", "not_applicable"]
Judgement = Literal["", "waiting", "withdrawn", "concluded"]


@dataclass(frozen=True)
class ClauseFinding:
    """Whether one clause has its evidence, and what a person concluded.

    Attributes:
        clause: The clause's id.
        asked: What it asks.
        verdict: `present` only if every artefact is there and fresh; `insufficient` where a person concluded that they do not
            answer the clause; `not_applicable` where the clause is not about this model.
        missing: Artefacts that are not there.
        stale: Artefacts that are there and no longer count, with the reason.
        found: Artefacts that are there and fresh.
        why: Why the clause does not apply; "" where it does.
        by: Who supplies it.
        stage: The latest stage of its artefacts: a clause of stage `operation` cannot be answered before use.
        judgement: `waiting` for a person's conclusion, `concluded`, or `withdrawn` because the evidence has changed since;
            "" where the records alone decide.
        conclusion: the last one, whether it still counts or not.
    """

    profile: str
    clause: str
    asked: str
    verdict: Verdict
    missing: tuple[str, ...]
    stale: tuple[tuple[str, str], ...]
    by: str
    stage: Stage
    found: tuple[Artefact, ...] = ()
    why: str = ""
    judgement: Judgement = ""
    conclusion: "Conclusion | None" = None

    @property
    def answered(self) -> bool:
        """Whether nothing is left to do: the records answer it, a person concluded so, or it does not apply."""
        return self.verdict == "not_applicable" or (self.verdict == "present" and self.judgement in ("", "concluded"))

    @property
    def words(self) -> str:
        """`evidence present`, `missing`, `stale` or `insufficient`, or `not applicable`; and where its judgement stands."""
        state = "not applicable" if self.verdict == "not_applicable" else f"evidence {self.verdict}"
        return f"{state}; {self.judged}" if self.judged else state

    @property
    def judged(self) -> str:
        """Where the judgement of a person stands, in words; "" where none is asked for."""
        by = self.conclusion
        if self.judgement == "concluded" and by is not None:
            return f"concluded by {by.person} (record {by.record})"
        if self.judgement == "withdrawn" and by is not None:
            return f"the conclusion of {by.person} (record {by.record}) is withdrawn, because the evidence has changed"
        return "a person must conclude" if self.judgement == "waiting" else ""


@dataclass(frozen=True)
class Conclusion:
    """What a person concluded about a clause.

    Attributes:
        profile, clause: which.
        outcome: `answered`, `not_answered` or `not_applicable`.
        rationale: why.
        person, role: who signed it, as what.
        evidence: `evidence_digest` of what the person had before them.
        record: number of its record.
    """

    profile: str
    clause: str
    outcome: Literal["answered", "not_answered", "not_applicable"]
    rationale: str
    person: str
    role: str
    evidence: str
    record: int


def conclusions_of(state: ModelState, version: str) -> list[Conclusion]:
    """Conclusions about a version that count, in order."""
    return [
        Conclusion(
            r.event.profile, r.event.clause, r.event.outcome, r.event.rationale, r.event.person, r.event.role,
            r.event.evidence, r.seq,
        )
        for r in state.version(version).conclusions
    ]  # fmt: skip


def evidence_digest(found: Iterable[Artefact]) -> str:
    """What a conclusion is about: the content of each artefact. Logs grow with every window, and stay the same log."""
    contents = {
        a.name: [a.of_version, "" if ARTEFACTS[a.name][1] == "operation" else a.content or a.digest] for a in found
    }
    return digest(contents)


def assess(
    profile: Profile,
    artefacts: Iterable[Artefact],
    at: datetime,
    version: str = "",
    conclusions: Iterable[Conclusion] = (),
    *,
    vendor: bool = False,
) -> tuple[ClauseFinding, ...]:
    """Whether each clause of a profile has its evidence, in the profile's order.

    Args:
        profile: What is asked.
        artefacts: What exists; of several of one name the freshest counts.
        at: The moment of the question (UTC).
        version: An artefact about another version is stale; "" asks about the model only.
        conclusions: of people about the version; the last one about a clause counts, while its evidence is the same.
        vendor: whether others run the model, or have trained it.
    """
    concluded = {(c.profile, c.clause): c for c in conclusions}
    present: dict[str, list[Artefact]] = {}
    for artefact in artefacts:
        present.setdefault(artefact.name, []).append(artefact)
    found = (_assess_clause(profile.profile, clause, present, at, version) for clause in _about(profile, vendor))
    return tuple(_judged(one, concluded.get((profile.profile, one.clause))) for one in found)


def counts(findings: Iterable[ClauseFinding]) -> dict[str, int]:
    """How many clauses there are of each verdict."""
    found = [f.verdict for f in findings]
    return {verdict: found.count(verdict) for verdict in get_args(Verdict)}


def due_at_card(findings: Iterable[ClauseFinding]) -> tuple[ClauseFinding, ...]:
    """The clauses whose evidence can be asked for before approval, for the gate that decides on the card."""
    return tuple(f for f in findings if f.stage == "card" and f.verdict != "not_applicable")


def completeness_evidence(
    profiles: Iterable[Profile], inputs: CardInputs, card_digest: str | None
) -> dict[str, object]:
    """What the completeness gate decides on: each clause that can be asked before approval, and whether it is answered.

    Args:
        profiles: Those that apply.
        inputs: What the card was made from.
        card_digest: The card's digest; None when there is no card.
    """
    artefacts, vendor = artefacts_of_card(inputs), inputs.declaration.supplied is not None
    asked = [
        {"profile": f.profile, "item": f"{f.clause}: {f.asked}", "status": f.verdict, "missing": list(f.missing)}
        for p in profiles
        for f in due_at_card(assess(p, artefacts, inputs.issued_at, inputs.version, vendor=vendor))
    ]
    return {"asked": asked, "card_digest": card_digest}


def _about(profile: Profile, vendor: bool) -> list[Clause]:
    """The clauses of a profile; those about vendors' models count for one as any other does."""
    return [c.model_copy(update={"vendor_only": c.vendor_only and not vendor}) for c in profile.clauses]


def _assess_clause(
    profile: str, clause: Clause, present: Mapping[str, Sequence[Artefact]], at: datetime, version: str
) -> ClauseFinding:
    missing, stale, found = [], [], []
    for name in clause.artefacts:
        known = present.get(name, ())
        reasons = [_staleness(a, clause.max_age_days, at, version) for a in known]
        fresh = [a for a, reason in zip(known, reasons, strict=True) if not reason]
        found += fresh[-1:]
        if not reasons:
            missing.append(name)
        elif all(reasons):
            stale.append((name, str(reasons[-1])))
    stages = [ARTEFACTS[name][1] for name in clause.artefacts]
    stage: Stage = "operation" if "operation" in stages else "approval" if "approval" in stages else "card"
    if clause.vendor_only:
        why = "it is about models of vendors, and this one is the bank's own"
        return ClauseFinding(profile, clause.id, clause.evidence, "not_applicable", (), (), clause.by, stage, why=why)
    verdict: Verdict = "missing" if missing else "stale" if stale else "present"
    return ClauseFinding(
        profile, clause.id, clause.evidence, verdict, tuple(missing), tuple(stale), clause.by, stage, tuple(found)
    )


def _judged(finding: ClauseFinding, conclusion: Conclusion | None) -> ClauseFinding:
    """The finding with what a person concluded; records alone answer what is automatic."""
    if finding.by == "automatic" or finding.verdict == "not_applicable":
        return finding
    if conclusion is None:
        return replace(finding, judgement="waiting")
    if conclusion.evidence != evidence_digest(finding.found):
        return replace(finding, judgement="withdrawn", conclusion=conclusion)
    verdict = finding.verdict
    if conclusion.outcome == "not_applicable":
        verdict = "not_applicable"
    elif conclusion.outcome == "not_answered" and verdict == "present":
        verdict = "insufficient"
    return replace(finding, verdict=verdict, judgement="concluded", conclusion=conclusion, why=conclusion.rationale)


def _staleness(artefact: Artefact, max_age_days: int | None, at: datetime, version: str) -> str | None:
    """Why an artefact no longer counts, or None."""
    if version and artefact.of_version and artefact.of_version != version:
        return f"is about version {artefact.of_version}, asked was version {version}"
    if artefact.valid_until is not None and at >= artefact.valid_until:
        return f"was valid until {artefact.valid_until:%Y-%m-%d}"
    if max_age_days is not None:
        if artefact.produced_at is None:
            return f"has no date, and may be at most {max_age_days} days old"
        if (at - artefact.produced_at).days > max_age_days:
            return f"is of {artefact.produced_at:%Y-%m-%d}, and may be at most {max_age_days} days old"
    return None
