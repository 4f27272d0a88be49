"""Events with every field filled in, so that a test states only what it is about."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from mlops_assets.ledger.events.champion import (
    Intervention,
    LadderStep,
    Promotion,
    Resumption,
    Retirement,
    Rollback,
    Suspension,
)
from mlops_assets.ledger.events.response import RetrainingRequested
from mlops_assets.ledger.events.versions import VersionRegistered
from mlops_assets.ledger.events.windows import HealthVerdict

POLICY_DIGEST = "a" * 64


def month_end(window: str) -> date:
    """First day after the month that starts there."""
    return (date.fromisoformat(window).replace(day=1) + timedelta(days=32)).replace(day=1)


def health_verdict(window: str, **fields: object) -> HealthVerdict:
    """A verdict on a month in which nothing happened, with the fields that are stated instead."""
    causes = [{"severity": "act", "evidence": "measured", **cause} for cause in fields.pop("causes", [])]  # pyright: ignore
    usual = {
        "window_end": month_end(window), "severity": "none", "kind": "none", "reasons": ["No change was found."],
        "version": "1", "policy_digest": POLICY_DIGEST,
    }  # fmt: skip
    return HealthVerdict.model_validate({**usual, "causes": causes, **fields})


def promotion(former: int | None = None, **fields: object) -> Promotion:
    """A promotion that names the former champion and rests on nothing."""
    usual = {
        "former": former,
        "policy_digest": POLICY_DIGEST,
        "policy": {},
        "ladder": LadderStep(step="none", reason=""),
    }
    return Promotion.model_validate({**usual, **fields})


def registration(model: str, **fields: object) -> VersionRegistered:
    """The registration of a version whose data has no event time."""
    usual = {
        "algorithm": "linear", "artifact_digest": "b" * 64, "data_digest": "c" * 64, "snapshot_record": 0,
        "declaration_digest": "d" * 64, "declaration": {"name": model, "event_time": None}, "training_key": "e" * 64,
        "run_id": f"run-{model}", "code_version": "1", "environment_digest": "f" * 64, "developers": ["Developer"],
    }  # fmt: skip
    return VersionRegistered.model_validate({**usual, **fields})


def retraining_request(window: str, until: str, **fields: object) -> RetrainingRequested:
    """A request that policy made."""
    usual = {
        "cause": "changed", "window": window, "kind": "concept_drift", "until": until, "automatic": True,
        "policy_digest": POLICY_DIGEST,
    }  # fmt: skip
    return RetrainingRequested.model_validate({**usual, **fields})


INTERVENTIONS: dict[str, type[Intervention]] = {
    event.KIND: event for event in (Rollback, Suspension, Resumption, Retirement)
}


def unsigned(kind: str, subject: str, follows: int, **fields: object) -> Intervention:
    """An intervention in the name of model-risk with an envelope that nobody signed."""
    usual: dict[str, Any] = {
        "model": "loans", "person": "risk", "role": "model-risk", "signed_at": datetime(2026, 1, 5, 10, tzinfo=UTC),
        "envelope": {}, "subject": subject, "rationale": "because", "follows": follows,
    }  # fmt: skip
    if kind == Rollback.KIND:
        usual |= {"former": None, "version": subject}
    return INTERVENTIONS[kind].model_validate({**usual, **fields})
