"""Meanings of the closed lists of words, beside the types that define them: the reference page fails when they differ."""

from typing import Any

from mlops_assets.evidence.version_status import Status
from mlops_assets.gates.gate import GateOutcome
from mlops_assets.ledger.state.discovery import Standing
from mlops_assets.monitoring.severity import Kind, Severity
from mlops_assets.policy.policy import Action

SEVERITIES = {
    "none": "No change beyond chance and the usual variation between periods.",
    "watch": "A change that is certain but small, or seen too few times, or not significant over the fleet.",
    "act": "A change that is certain, large enough by the policy, and persistent. From here on the policy's actions follow.",
    "critical": "The same, at least twice as large as the threshold of `act`.",
    "not_measurable": "Too little to judge. It is never a pass.",
}
KINDS = {
    "none": "No change.",
    "data_quality": "The data are faulty: missing values, another unit, renamed, swapped or stale columns.",
    "covariate_shift": "Inputs have another distribution; the relation to the outcome holds.",
    "label_shift": "The event has become more or less frequent than predicted.",
    "concept_drift": "The same inputs lead to other outcomes.",
}
OUTCOMES = {
    "passed": "The evidence meets the rule.",
    "failed": "The evidence does not meet the rule.",
    "not_applicable": "The gate needs the model itself, which others run; the reason is recorded. Never a pass.",
    "not_measurable": "The evidence does not suffice to decide. Never a pass; whether it blocks is the rule's `not_measurable_blocks`.",
}
ACTIONS = {
    "none": "Nothing.",
    "watch": "The verdict is shown; nothing else.",
    "incident": "An incident is opened, once for each cause.",
    "quarantine_window": "Rows of the window are left out of every training until a new verdict, or until the incident is closed as `false` or `expected`.",
    "retrain": "A training is requested, within cool-down and budget.",
    "suspend": "The service key suspends the model where `automation.suspend` allows it; otherwise an incident asks a person to.",
}
STATUSES = {
    "champion": "It decides.",
    "suspended": "It is the champion, and nothing decides until a resumption.",
    "former champion": "It decided, until another version was promoted.",
    "refused": "A required gate failed.",
    "rejected": "A signed rejection counts.",
    "blocked": "A required gate has no passing decision: it could not be measured, or has not decided.",
    "waiting for assessment": "Its tier must be assessed, or declared higher.",
    "waiting for approval": "Signatures are missing.",
    "waiting for policy": "A changed policy is not in force yet.",
    "in shadow": "It scores every row and decides none.",
    "in canary": "It decides a small share of the rows.",
    "in an A/B test": "It decides a fixed share of the rows until a test of both versions decides.",
    "waiting for a step's signature": "It passed its step of the ladder, and somebody must sign that.",
    "sent back": "It was worse than the champion on the same rows, and is not promoted.",
    "ready": "Nothing is missing; the next run promotes it.",
    "superseded": "A later version was registered before it was released.",
    "not released": "It was never promoted.",
    "retired": "The model has ended.",
}
TIERS = {
    "high": "Decisions about money or rights of people or firms: two independent signatures, every gate, shadow before promotion.",
    "medium": "Some gates and one signature.",
    "low": "Gates decide alone.",
}
STANDINGS = {
    "governed": "A declaration governs it, or a person has assigned it to a declared model.",
    "ignored": "A person has signed that it needs no declaration until a day.",
    "open": "Neither. It counts against the coverage.",
    "gone": "A later search did not find it any more. It is not counted.",
}

LISTS: tuple[tuple[str, Any, dict[str, str]], ...] = (
    ("Severities of a window", Severity, SEVERITIES),
    ("Kinds of change", Kind, KINDS),
    ("Outcomes of a gate", GateOutcome, OUTCOMES),
    ("Actions of a policy", Action, ACTIONS),
    ("Status of a version", Status, STATUSES),
    ("Standing of a model that a search found", Standing, STANDINGS),
)
"""Heading, type and meanings."""
