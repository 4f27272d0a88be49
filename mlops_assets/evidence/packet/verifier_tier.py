"""What a verifier decides again about the risk tier: which assessment counted, and whether the policy was of a tier as high."""

from datetime import timedelta
from typing import Any

from mlops_assets.evidence.packet.verifier_history import History
from mlops_assets.evidence.packet.verifier_ledger import Act, Row, instant, sha256
from mlops_assets.evidence.packet.verifier_signatures import Wrong, canonical

ASSESSMENT_SLACK = timedelta(seconds=60)
TIERS = ("low", "medium", "high")
NO_ASSESSORS = ("automation", "ledger", "root")
ORIGIN = ("path", "sql", "connection", "reader", "settings", "asset")
DEFAULT_RULE: Row = {"roles": ["model-risk", "validator"], "max_days": 365}
"""What a policy asks that was recorded before it could say so."""


def check_tier(before: History, signed: dict[int, Act], promotion: Row, policy: Row, declaration: Row) -> None:
    """The policy was of the assessed tier or a higher one; without an assessment that counted, of the highest."""
    what = f"record {promotion['seq']} (promotion of version {promotion['subject']})"
    counted = standing_assessment(before, signed, policy, declaration, instant(promotion["recorded_at"]))
    required = counted["body"]["tier"] if counted else TIERS[-1]
    if TIERS.index(policy["tier"]) < TIERS.index(required):
        why = f"record {counted['seq']} assesses {required}" if counted else "no assessment of its tier counted"
        raise Wrong(f"{what} is under the policy of tier {policy['tier']}, and {why}")
    named = promotion["body"].get("assessment")
    if named is not None and named != (counted or {}).get("seq"):
        raise Wrong(f"{what} names record {named} as assessment of the tier, which did not count then")


def standing_assessment(
    before: History, signed: dict[int, Act], policy: Row, declaration: Row, then: Any
) -> Row | None:
    """The latest assessment that the policy accepts, where it had not ended; None where there is none."""
    rule = policy.get("assessment") or DEFAULT_RULE
    declared = {str(d).strip().casefold() for d in declaration.get("developers") or ()}
    latest: Row | None = None
    last = 0
    for row in before.signed_of("tier_assessed"):
        person, subjects, statement = signed[row["seq"]]
        if before.built(person, row["seq"]) or statement["role"] in NO_ASSESSORS:
            continue
        rules = statement["rules"]
        whole = sha256(canonical(rules)) == statement["rules_digest"] == subjects.get("rules")
        if not whole or statement["follows"] != last or tier_of(rules, statement["answers"]) != row["subject"]:
            continue
        last = row["seq"]
        too_long = instant(statement["expires"]) - instant(row["recorded_at"]) > (
            timedelta(rule["max_days"]) + ASSESSMENT_SLACK
        )
        author = person.casefold() in declared or before.built(person, None)
        if statement["role"] in rule["roles"] and not author and not too_long:
            latest = row
    if latest is None:
        return None
    body = latest["body"]
    return latest if instant(body["expires"]) > then and body["parts"] == assessed_parts(declaration) else None


def tier_of(rules: Row, answers: Row) -> str | None:
    """The highest tier of the recorded rules that apply to the recorded answers; None where an answer is not offered."""
    given = {name: one["answer"] for name, one in answers.items()}
    offered = {name: question["answers"] for name, question in rules["questions"].items()}
    if set(given) != set(offered) or any(given[name] not in offered[name] for name in offered):
        return None
    applying = [r["tier"] for r in rules["rules"] if all(given[n] in accepted for n, accepted in r["when"].items())]
    return max([rules["otherwise"], *applying], key=TIERS.index)


def assessed_parts(declaration: Row) -> dict[str, str]:
    """SHA-256 of purpose, population and use in a declaration, fields that hold nothing left out."""
    source, card = declaration.get("source") or {}, declaration.get("card") or {}
    parts = {
        "purpose": {"purpose": declaration.get("purpose")},
        "population": {"id": declaration.get("id"), **{name: source.get(name) for name in ORIGIN}},
        "use": {
            **{name: declaration.get(name) for name in ("intended_use", "task", "target")},
            "out_of_scope": card.get("out_of_scope"),
        },
    }
    return {name: sha256(canonical(without_empty(part))) for name, part in parts.items()}


def without_empty(value: Any) -> Any:
    """The value without what holds nothing in it."""
    if isinstance(value, dict):
        cleaned = {name: without_empty(inner) for name, inner in value.items()}
        return {name: inner for name, inner in cleaned.items() if inner not in (None, "", [], {}, ())}
    return [without_empty(inner) for inner in value] if isinstance(value, list | tuple) else value
