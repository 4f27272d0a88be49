"""The demo's signatures: what its three roles assess, adopt, validate, except and approve, with keys made for the trial.

Belongs here: who signs what in the demo. Not here: what a signature means and who may give it (`governance/`), or when the
demo asks for one (`lifecycle.py`). Each function returns what was signed, in the words that the demo prints.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from mlops_assets import clock
from mlops_assets.governance.adoption import adopt, adoption
from mlops_assets.governance.approvals import sign_approval
from mlops_assets.governance.decisions import standing
from mlops_assets.governance.exceptions import sign_exception
from mlops_assets.governance.tiers import assess, tier_standing
from mlops_assets.governance.validations import record_validation, standing_validation
from mlops_assets.ledger.events.tiers import TierAnswer
from mlops_assets.ledger.keys import SigningKey, load_key
from mlops_assets.platform import Platform
from mlops_assets.policy.policy import Policy

PEOPLE = {"developer": ("developer",), "validator": ("validator",), "model-risk": ("model-risk",)}
"""The demo's signers are roles; nobody of these names exists."""
EXCEPTED = {
    "census_income": dict.fromkeys(
        ("fairness", "label_bias"),
        "Incomes of women and men differ in the data itself; the campaign sells nothing that anybody is refused, "
        "and its owner reviews each selection.",
    ),
    "sba_loan_default": dict.fromkeys(
        ("label_bias", "proxy", "fairness"),
        "Borrowers are firms: the table has no attribute of a person, so differences between persons cannot be measured; "
        "a credit officer reviews each application that the model flags.",
    ),
}
"""What the demo's `model-risk` signs: the gate refuses, a person answers for it, for a while."""
EXCEPTION_DAYS = 30


def people_of(developers: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Whom the demo enrols, with their roles: its signers, and everybody whom declarations name as a developer.

    No version can be approved while one of its developers is unknown; nobody signs as one of them here.
    """
    return {**{name.strip().casefold(): ("developer",) for name in developers}, **PEOPLE}


@dataclass(frozen=True)
class Signers:
    """The roles of the demo, looking at one model.

    Attributes:
        platform: the project with their keys.
        model: name.
        version: number of the version; empty before there is one.
    """

    platform: Platform
    model: str
    version: str = ""

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self.platform.policy(self.model)

    def assess(self) -> list[str]:
        """Assess the tier of the model as the declared one, where no assessment counts."""
        ledger, policy, project = self.platform.ledger, self.policy, self.platform.project
        declaration = project.declaration(self.model)
        content = declaration.model_dump(mode="json")
        if tier_standing(ledger.state().model(self.model), policy, content, ledger.clock()).counts:
            return []
        role = next((role for role in policy.assessment.roles if role in PEOPLE), None)
        given = self.platform.tiering.example(policy.tier)
        if role is None or given is None:
            lacking = f"a role among {' or '.join(policy.assessment.roles) or 'nobody'}" if given else "answers to it"
            return [f"nobody assesses its tier: the demo has not {lacking}"]
        why = f"Demo answer: one from which the declared tier {policy.tier} follows; nobody looked at the model."
        answers = {name: TierAnswer(answer=answer, why=why) for name, answer in given.items()}
        record = assess(ledger, self._key(role), policy, self.platform.tiering, declaration, answers)
        return [f"tier {record.event.tier} assessed by {role}, until {record.event.expires:%Y-%m-%d}"]

    def adopt(self) -> list[str]:
        """Sign the policy of the model where policy says that somebody must."""
        ledger, policy = self.platform.ledger, self.policy
        waiting = adoption(ledger.state().model(self.model), policy)
        if not waiting.waiting:
            return []
        role = next((role for role in waiting.roles if role in PEOPLE), None)
        if role is None:
            return [f"its policy waits for a signature by {' or '.join(waiting.roles)}, and the demo has no such role"]
        rationale = f"Demo signature of the role {role}: the policy of tier {policy.tier} as it was shipped."
        adopt(ledger, self.model, policy, key=self._key(role), rationale=rationale)
        return [f"policy of tier {policy.tier} signed by {role}"]

    def validate(self) -> list[str]:
        """Record a judgement where the tier has a validator, and the version has none."""
        ledger, policy = self.platform.ledger, self.policy
        judged = standing_validation(ledger.state().model(self.model), self.version)
        if "validator" not in {rule.role for rule in policy.approvals} or judged:
            return []
        record_validation(
            ledger,
            self._key("validator"),
            policy,
            self.model,
            self.version,
            "approved",
            "Demo validation: data, alternatives, performance, slices, calibration and robustness were looked at on the "
            "recorded evidence, and the open points are those the card names.",
        )
        return [f"version {self.version} validated by validator"]

    def except_gates(self) -> list[str]:
        """Grant the demo's exceptions where the gate really refuses."""
        ledger, policy = self.platform.ledger, self.policy
        state = ledger.state().model(self.model)
        active = {e.gate for e in state.exceptions_in_force(ledger.clock())}
        blocking = {g.gate: g for g in standing(state, self.version, policy).blocking}
        reasons = {g: r for g, r in EXCEPTED.get(self.model, {}).items() if g in blocking and g not in active}
        days = min(EXCEPTION_DAYS, policy.exceptions.max_days)
        for gate, reason in reasons.items():
            until = clock.now() + timedelta(days=days)
            sign_exception(ledger, self._key("model-risk"), policy, self.model, gate, reason, until)
        told = [f"gate {gate} blocks version {self.version}: {blocking[gate].reason}" for gate in reasons]
        for reason in dict.fromkeys(reasons.values()):
            lifted = ", ".join(gate for gate, given in reasons.items() if given == reason)
            told.append(f"model-risk signs an exception for {days} days ({lifted}): {reason}")
        return told

    def approve(self) -> list[str]:
        """Sign for every role whose approval the tier asks for."""
        roles = [rule.role for rule in self.policy.approvals]
        for role in roles:
            sign_approval(
                self.platform.ledger,
                self._key(role),
                self.model,
                self.version,
                f"Demo signature of the role {role}: every required gate passed or is under a signed exception.",
                role=role,
                policy=self.policy,
            )
        who = " and ".join(roles)
        return [f"version {self.version} approved by {who}" if who else f"tier {self.policy.tier} asks for no approval"]

    def _key(self, role: str) -> SigningKey:
        return load_key(role, self.platform.home.keys)
