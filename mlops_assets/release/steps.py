"""That a challenger passed a step of the ladder, signed by a person where the policy asks for that."""

from mlops_assets.errors import MlopsAssetsError
from mlops_assets.governance.approval_subject import registered
from mlops_assets.ledger.events.champion import StepSigned
from mlops_assets.ledger.events.windows import LadderTested
from mlops_assets.ledger.keys import PublicKey, SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Expected, Record
from mlops_assets.ledger.signed_acts import sign_act
from mlops_assets.policy.policy import Policy
from mlops_assets.release.champion import lock_name
from mlops_assets.release.ladder import climb


class StepRefused(MlopsAssetsError, ValueError):
    """The version stands on no step that waits for a signature."""


def sign_step(
    ledger: Ledger,
    policy: Policy,
    model: str,
    version: int | str,
    key: SigningKey,
    rationale: str,
    *,
    root: PublicKey | None = None,
) -> Record[StepSigned]:
    """Sign that a challenger passed the step on which it stands.

    Args:
        ledger: to write to.
        policy: the model's effective policy.
        model: name.
        version: of the challenger.
        key: of a holder of one of `release.advance_roles`, who did not build the version.
        rationale: why, in a sentence.
        root: root key, when known from outside the ledger.

    Raises:
        StepRefused: it stands on no step, or more than a signature is missing.
        NotAllowed: the key is not enrolled, not for this model, an author's, or in no role that may sign this.
        Conflict: the version was tested while it was looked at.
    """
    if not rationale.strip():
        raise StepRefused("found no rationale, expected why the step is passed")
    with ledger.lock(lock_name(model)):
        known = ledger.state(root=root).model(model)
        registration = registered(known, version)
        kinds = (LadderTested.KIND, StepSigned.KIND)
        expect = Expected(kinds, model, known.last_seq(*kinds))
        step = climb(known, policy, version)
        if not step.to_sign:
            where = step.reason if step.waiting else "it stands on no step of the ladder"
            raise StepRefused(f"{model} version {version}: nothing to sign: {where}")
        body = sign_act(
            ledger,
            key,
            StepSigned.PURPOSE,
            model,
            {"registration": registration.digest},
            {
                "version": str(version),
                "step": step.label,
                "champion": known.champion.champion,
                "tested": known.last_seq(LadderTested.KIND),
                "rationale": rationale.strip(),
            },
            roles=policy.release.advance_roles,
            barred=known.version(version).authors,
            root=root,
        )
        return ledger.append(StepSigned.model_validate(body), model=model, subject=str(version), expect=expect)
