"""Conclusions: a person's signed judgement whether the evidence of a version answers a clause of a requirement profile.

A conclusion is about the evidence that the person had before them, and counts while that is the same. Which evidence answers
which clause is `evidence.requirements`'.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from mlops_assets.governance.approval_subject import registered
from mlops_assets.ledger.events.judgements import ClauseConcluded
from mlops_assets.ledger.keys import PublicKey, SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Expected, Record
from mlops_assets.ledger.signed_acts import sign_act

ConclusionOutcome = Literal["answered", "not_answered", "not_applicable"]
OUTCOMES: tuple[str, ...] = get_args(ConclusionOutcome)


@dataclass(frozen=True)
class Judgement:
    """What a person concludes about a clause.

    Attributes:
        profile, clause: which.
        outcome: `answered`, `not_answered`, or `not_applicable` where the clause is not about this model.
        rationale: why, in a sentence or more.
        evidence: digest of the evidence that the person had before them.
    """

    profile: str
    clause: str
    outcome: ConclusionOutcome
    rationale: str
    evidence: str


def sign_conclusion(
    ledger: Ledger,
    key: SigningKey,
    model: str,
    version: str | int,
    judgement: Judgement,
    *,
    root: PublicKey | None = None,
) -> Record[ClauseConcluded]:
    """Sign a conclusion and record it.

    Args:
        ledger: to write to.
        key: of the signer.
        model: name.
        version: as in the registry.
        judgement: what is concluded.
        root: root key, when known from outside the ledger.

    Raises:
        NotAllowed: the signer may not validate this model, or built the version.
        NotRegistered: there is no such version.
        ValueError: no rationale, or an outcome that does not exist.
        Conflict: another conclusion on the model was recorded in the same moment; call again.
    """
    if judgement.outcome not in OUTCOMES:
        raise ValueError(f"found outcome {judgement.outcome!r}, expected one of {', '.join(OUTCOMES)}")
    if not judgement.rationale.strip():
        raise ValueError(
            "a conclusion needs a rationale: what was examined, and why does it answer the clause, or not?"
        )
    state = ledger.state(root=root).model(model)
    registration, before = registered(state, version), state.version(version).conclusions
    body = sign_act(
        ledger,
        key,
        ClauseConcluded.PURPOSE,
        model,
        {"registration": registration.digest, "evidence": judgement.evidence},
        {
            "version": str(version),
            "profile": judgement.profile,
            "clause": judgement.clause,
            "outcome": judgement.outcome,
            "rationale": judgement.rationale.strip(),
            "evidence": judgement.evidence,
            "follows": before[-1].seq if before else 0,
        },
        roles=ClauseConcluded.ROLES,
        barred=registration.event.authors,
        root=root,
    )
    expect = Expected((ClauseConcluded.KIND,), model, state.last_seq(ClauseConcluded.KIND))
    return ledger.append(ClauseConcluded.model_validate(body), model=model, subject=str(version), expect=expect)
