"""The risk tier of a model as a signed assessment: signing one, whether one counts, and what it holds against promotion.

A declaration names a tier, and with it the policy. What tier the model must at least have is a person's judgement: the
answers to the bank's questions, signed by somebody in a role that the policy names who built no version of it. A model
without an assessment that counts must meet what the highest tier requires. The questions and rules are `policy.tiering`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.events.tiers import TierAnswer, TierAssessed
from mlops_assets.ledger.keys import PublicKey, SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.people import NotAllowed
from mlops_assets.ledger.records import Expected, Record
from mlops_assets.ledger.signed_acts import sign_act
from mlops_assets.ledger.state.judgements import SIGNING_SLACK
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.tiering import HIGHEST, assessed_parts, rank
from mlops_assets.policy.policy import Policy
from mlops_assets.policy.tiering import Tiering


@dataclass(frozen=True)
class TierStanding:
    """A model's declared tier against its assessment.

    Attributes:
        model: name.
        declared: tier whose policy applies.
        required: least tier that the model may be promoted under.
        assessment: the latest by somebody whom the policy lets assess, or None.
        problem: why no assessment counts; empty where one does.
        roles: that may assess under the policy.
    """

    model: str
    declared: str
    required: str
    assessment: Record[TierAssessed] | None
    problem: str
    roles: tuple[str, ...]

    @property
    def counts(self) -> bool:
        """Whether an assessment counts."""
        return not self.problem

    @property
    def counted(self) -> int | None:
        """Number of the assessment that counts, or None."""
        return self.assessment.seq if self.assessment is not None and self.counts else None

    @property
    def too_low(self) -> bool:
        """Whether the declared tier requires less than the model must meet."""
        return rank(self.declared) < rank(self.required)

    @property
    def objection(self) -> str:
        """What stands against promotion, and what to do; empty where nothing does."""
        if not self.too_low:
            return ""
        if self.assessment is not None and self.counts:
            event = self.assessment.event
            return (
                f"it is declared as tier {self.declared}, and {event.person} assessed it as tier {event.tier} (record "
                f"{self.assessment.seq}): declare tier {event.tier}, or have it assessed again: {self.command}"
            )
        who = " or ".join(self.roles) or "nobody under this policy"
        return (
            f"{self.problem}, so it must meet what tier {HIGHEST} requires, and it is declared as tier {self.declared}: "
            f"declare tier {HIGHEST}, or let {who} fill in what `mlops tier questions {self.model}` prints, and sign it: "
            f"{self.command}"
        )

    @property
    def command(self) -> str:
        """What an assessor types."""
        return f"mlops tier assess {self.model} --answers FILE --key KEY.pem"

    def to_dict(self) -> dict[str, Any]:
        """For a card, a page or a report: JSON content."""
        found: dict[str, Any] = {
            "declared": self.declared,
            "required": self.required,
            "problem": self.problem,
            "objection": self.objection,
            "command": self.command,
            "roles": list(self.roles),
            **dict.fromkeys(("assessed", "person", "role", "record", "date", "expires")),
            "answers": [],
        }
        if self.assessment is not None:
            event = self.assessment.event
            found |= {
                "assessed": event.tier,
                "person": event.person,
                "role": event.role,
                "record": self.assessment.seq,
                "date": iso(self.assessment.recorded_at),
                "expires": iso(event.expires),
                "answers": [
                    {
                        "question": name,
                        "asked": (event.rules["questions"].get(name) or {}).get("ask", name),
                        "answer": one.answer,
                        "meaning": ((event.rules["questions"].get(name) or {}).get("answers") or {}).get(
                            one.answer, ""
                        ),
                        "why": one.why,
                    }
                    for name, one in event.answers.items()
                ],
            }
        return found


def assess(
    ledger: Ledger,
    key: SigningKey,
    policy: Policy,
    tiering: Tiering,
    declaration: Declaration,
    answers: Mapping[str, TierAnswer],
    *,
    expires: datetime | None = None,
    root: PublicKey | None = None,
) -> Record[TierAssessed]:
    """Sign an assessment of a model's tier and record it.

    Args:
        ledger: to write to.
        key: of the assessor.
        policy: the model's effective policy.
        tiering: the bank's questions and rules.
        declaration: of the model, as it is now.
        answers: one for each question, with its reason.
        expires: default and latest: `policy.assessment.max_days` from now.
        root: root key, when known from outside the ledger.

    Raises:
        NotAllowed: the policy does not let this signer, or anybody, assess; or the signer built the model.
        ValueError: an answer is missing or not offered, or the expiry is past or too far off.
        Conflict: another assessment of the model was recorded in the same moment; call again.
    """
    model, now = declaration.name, ledger.clock()
    if not policy.assessment.roles:
        raise NotAllowed(f"the policy of tier {policy.tier} lets nobody assess a tier")
    latest = now + timedelta(days=policy.assessment.max_days)
    ends = expires or latest
    if not now < ends <= latest:
        raise ValueError(f"found expiry {iso(ends)}, expected after now and by {iso(latest)}, as policy says")
    state = ledger.state(root=root).model(model)
    before = state.assessments[-1].seq if state.assessments else 0
    parts = assessed_parts(declaration.model_dump(mode="json"))
    body = sign_act(
        ledger,
        key,
        TierAssessed.PURPOSE,
        model,
        {"rules": tiering.digest, **parts},
        {
            "tier": tiering.tier({name: one.answer for name, one in answers.items()}),
            "answers": {name: one.model_dump() for name, one in answers.items()},
            "rules": tiering.model_dump(mode="json"),
            "rules_digest": tiering.digest,
            "purpose": declaration.purpose,
            "parts": parts,
            "expires": iso(ends),
            "follows": before,
        },
        roles=policy.assessment.roles,
        barred=state.authors | {name.strip().casefold() for name in declaration.developers},
        root=root,
    )
    event = TierAssessed.model_validate(body)
    expect = Expected((TierAssessed.KIND,), model, state.last_seq(TierAssessed.KIND))
    return ledger.append(event, model=model, subject=event.tier, expect=expect)


def tier_standing(model: ModelState, policy: Policy, declaration: Mapping[str, Any], at: datetime) -> TierStanding:
    """A model's tier at that moment: what is declared, what is required, and by which assessment.

    Args:
        model: its state.
        policy: its effective policy, which names the declared tier.
        declaration: of the version in question, or of today, as JSON content.
        at: moment at which the assessment must count.
    """
    said = "it has no assessment of its tier"
    latest: Record[TierAssessed] | None = None
    for record in reversed(model.assessments):
        # What policy accepts from nobody never counted: an earlier one by the right person still does.
        if why := _not_accepted(record, policy, model.authors | _developers(declaration)):
            said = f"the assessment of its tier (record {record.seq}) does not count: {why}"
            continue
        latest = record
        break
    problem = _ended(latest, declaration, at) if latest is not None else said
    required = latest.event.tier if latest is not None and not problem else HIGHEST
    return TierStanding(model.name, policy.tier, required, latest, problem, policy.assessment.roles)


def _developers(declaration: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(str(name).strip().casefold() for name in declaration.get("developers") or ())


def _not_accepted(record: Record[TierAssessed], policy: Policy, authors: frozenset[str]) -> str:
    """Why the policy accepts an assessment from nobody, or not for so long; empty where it does."""
    event, rule = record.event, policy.assessment
    if event.role not in rule.roles:
        return f"the role {event.role} may not sign it: expected {' or '.join(rule.roles) or 'nobody'}"
    if event.person.casefold() in authors:
        return f"{event.person} built the model"
    if event.expires - record.recorded_at > timedelta(days=rule.max_days) + SIGNING_SLACK:
        return f"it lasts longer than the {rule.max_days} days that the policy allows"
    return ""


def _ended(record: Record[TierAssessed], declaration: Mapping[str, Any], at: datetime) -> str:
    """Why an assessment counts no longer; empty where it does."""
    event = record.event
    if at >= event.expires:
        return f"the assessment of its tier (record {record.seq}) expired on {iso(event.expires)}"
    now = assessed_parts(declaration)
    changed = [name for name in now if event.parts.get(name) != now[name]]
    if changed:
        return f"its {' and '.join(changed)} changed after the assessment of its tier (record {record.seq})"
    return ""
