"""Which versions may be promoted: those for which nothing is missing any more."""

from collections.abc import Collection

from mlops_assets.ledger.people import KINDS as PEOPLE
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.pipeline.due import Due, Found, declared_among, failure_cause, last_closed, open_failure
from mlops_assets.platform import Platform
from mlops_assets.release.promotion import EVIDENCE, missing


def releases_due(platform: Platform, models: Collection[str] | None = None) -> Found:
    """Versions for which nothing is missing any more, and for the others what is.

    Args:
        platform: the project.
        models: look at these only; None: at every model.
    """
    ledger = platform.ledger
    state, now = ledger.state(), ledger.clock()
    last_about_people = ledger.latest(PEOPLE)
    people = last_about_people.seq if last_about_people else 0
    due: list[Due] = []
    waiting: list[str] = []
    for name, declaration in declared_among(platform, models).items():
        model = state.model(name)
        newest = model.newest_version
        if newest is None or newest.registration is None or int(newest.version) in model.champion.promoted:
            continue
        policy, version = platform.policy_of(declaration), newest.version
        if reasons := missing(state, policy, name, version, now):
            waiting.append(f"{name} version {version}: {'; '.join(reasons)}")
            continue
        cause = failure_cause("release", version)
        if failed := open_failure(model, cause):
            waiting.append(
                f"{name} version {version}: its release failed too often; close incident {failed.id} to try again"
            )
            continue
        seq = max(evidence_seq(model), people, last_closed(model, cause))
        due.append(
            Due(
                name,
                "release",
                f"nothing is missing for version {version}",
                f"{version}/{policy.digest[:12]}/{seq}",
                request=newest.registration.event.request,
                version=version,
            )
        )
    return Found(tuple(due), tuple(waiting))


def evidence_seq(model: ModelState) -> int:
    """Number of the last record that a promotion of the model rests on: each of them may be the one that was missing."""
    return model.last_seq(*EVIDENCE)
