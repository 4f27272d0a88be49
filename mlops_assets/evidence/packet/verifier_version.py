"""What a verifier decides again about the version: gates, exceptions, approvals, validations and policy, as promotion does."""

from datetime import timedelta
from typing import Any

from mlops_assets.evidence.packet.verifier_files import check_file
from mlops_assets.evidence.packet.verifier_ledger import Act, Row, instant
from mlops_assets.evidence.packet.verifier_signatures import Wrong, parsed
from mlops_assets.evidence.packet.verifier_tier import authors_before, check_tier

SIGNING_SLACK = timedelta(seconds=60)
JUDGED = (
    *(
        "approval",
        "exception_granted",
        "exception_withdrawn",
        "finding_recorded",
        "finding_responded",
        "finding_extended",
        "finding_closed",
    ),
    *(
        "validation_recorded",
        "clause_concluded",
        "policy_adopted",
        "tier_assessed",
        "promotion",
        "rollback",
        "suspension",
        "resumption",
        "retirement",
    ),
    *("health_verdict", "incident_opened", "incident_acknowledged", "incident_closed"),
    *("retraining_request", "retraining_closed"),
)
"""Kinds of records that the addendum lists."""


def check_version(
    files: dict[str, bytes], rows: list[Row], people: list[Row], signed: dict[int, Act], model: str, version: str
) -> str:
    """The version's digests, policy, gates, exceptions, validation and approvals; gives back a summary."""
    mine = [r for r in rows if r["model"] == model and r["subject"] == version]
    registered = [r for r in mine if r["kind"] == "version_registered"]
    if not registered:
        raise Wrong(f"version {version} of {model} was never registered")
    body = registered[0]["body"]
    if any(r["body"].get("artifact_digest") != body.get("artifact_digest") for r in registered):
        raise Wrong(f"version {version} was registered with different artifacts")
    check_file(files, "declaration.json", body.get("declaration_digest"), "the version was registered with")
    cards = [r for r in mine if r["kind"] == "card_issued"]
    if cards:
        check_file(files, "card/card.json", cards[-1]["body"]["digest"], "the ledger names")
    promotions = [r for r in mine if r["kind"] == "promotion"]
    if not promotions:
        return f"version {version} of {model} was registered and never promoted"
    promotion = promotions[-1]
    check_file(files, "policy.json", promotion["body"]["policy_digest"], "the version was promoted under")
    policy = parsed(files["policy.json"], "policy.json")
    before = [r for r in rows if r["model"] == model and r["seq"] < promotion["seq"]]
    check_policy(before, signed, promotion)
    check_tier(before, signed, promotion, policy, body["declaration"])
    authors = authors_of(body)
    check_gates(before, promotion, registered[0], policy, version)
    for exception in promotion["body"]["exceptions"]:
        check_exception(before, signed, promotion, exception, policy, authors, version)
    check_validation(before, signed, promotion, policy, version)
    check_developers(people, promotion, policy, body["developers"])
    check_approvals(before, signed, promotion, policy, authors, version)
    counts = f"{len(promotion['body']['decisions'])} gates, {len(promotion['body']['approvals'])} approvals"
    return f"version {version} of {model}: {counts}, promoted by record {promotion['seq']}"


def gates_on_record(rows: list[Row], model: str, version: str) -> list[str]:
    """What was not decided again: a gate needs the program that measured it; a line each for all gates, and for those whose
    code belongs to the bank."""
    about = [r for r in rows if (r["kind"], r["model"], r["subject"]) == ("gate_decision", model, version)]
    latest = {r["body"]["gate"]: r["body"] for r in about}
    if not latest:
        return []
    own = {gate: body["evidence"]["code"] for gate, body in latest.items() if "code" in body["evidence"]}
    lines = [
        f"decided again: policy, tier, exceptions, validation, approvals; not decided again: the {len(latest)} gates, whose decisions "
        "are taken from their records"
    ]
    return [
        *lines,
        *(f"gate {gate} is the bank's own, source with SHA-256 {code}" for gate, code in sorted(own.items())),
    ]


def named(promotion: Row) -> str:
    """The promotion, for a message."""
    return f"record {promotion['seq']} (promotion of version {promotion['subject']})"


def authors_of(registered: Row) -> set[str]:
    """Who built the version, in lower case."""
    built = [*registered["developers"], registered.get("trained_by"), *registered.get("code_authors", ())]
    return {str(name).strip().casefold() for name in built if name and str(name).strip()}


def check_policy(before: list[Row], signed: dict[int, Act], promotion: Row) -> None:
    """The policy of the promotion was the one in force, where any had come into force."""
    latest: Row | None = None
    for row in (r for r in before if r["kind"] == "policy_adopted"):
        governing = (latest or row)["body"]["policy"]
        roles = governing.get("adoption", {}).get("roles") or ()
        if roles:
            act: Act = signed.get(row["seq"], ("", {}, {}))
            _, subjects, statement = act
            follows = latest["seq"] if latest else 0
            agreed = (subjects.get("policy"), statement.get("follows")) == (row["body"]["policy_digest"], follows)
            by_author = str(statement.get("person")).casefold() in authors_before(before, row["seq"])
            if not agreed or by_author or statement.get("role") not in roles:
                continue
        latest = row
    if latest is not None and latest["body"]["policy_digest"] != promotion["body"]["policy_digest"]:
        raise Wrong(f"{named(promotion)} is under a policy that was not in force then")


def check_gates(before: list[Row], promotion: Row, registered: Row, policy: Row, version: str) -> None:
    """Every gate that the policy requires had decided, and passed unless an exception lifts it; the approved digests are
    those of the records."""
    what, body = named(promotion), promotion["body"]
    lifted = {exception["gate"] for exception in body["exceptions"]}
    expected = {"registration": registered["digest"], "policy": body["policy_digest"]}
    for name in ("artifact", "data", "declaration", "features"):
        if registered["body"].get(name + "_digest"):
            expected[name] = registered["body"][name + "_digest"]
    cards = [r for r in before if r["kind"] == "card_issued" and r["subject"] == version]
    if cards:
        expected["card"] = cards[-1]["body"]["digest"]
    by_seq = {r["seq"]: r for r in before}
    for seq in body["decisions"]:
        decision = by_seq.get(seq)
        if decision is None or (decision["kind"], decision["subject"]) != ("gate_decision", version):
            raise Wrong(f"{what} rests on record {seq}, which is no gate decision on this version before it")
        gate, outcome = decision["body"]["gate"], decision["body"]["outcome"]
        expected[f"gate:{gate}"] = decision["digest"]
        if outcome == "not_applicable" and gate in gates_without(registered["body"]["declaration"]):
            continue
        if outcome != "passed" and gate not in lifted and blocks(policy, gate, decision["body"]):
            raise Wrong(f"{what}: gate {gate} was {outcome} (record {seq}), and no exception lifts it")
    for decision in before:
        about = (decision["kind"], decision["subject"], decision["body"].get("policy_digest"))
        later = decision["seq"] > max(body["decisions"], default=0)
        if later and about == ("gate_decision", version, body["policy_digest"]):
            raise Wrong(f"{what} leaves out record {decision['seq']}, a later decision on the version")
    for gate, rule in policy["gates"].items():
        if rule.get("required") and f"gate:{gate}" not in expected and gate not in lifted:
            raise Wrong(f"{what}: the policy requires gate {gate}, and no decision on it is named")
    for name, value in expected.items():
        if body["digests"].get(name) != value:
            raise Wrong(f"{what}: its digest of {name} is not the ledger's")


def gates_without(declaration: Row) -> tuple[str, ...]:
    """Gates that may be recorded as not applicable: of a model that others run, those that need the model or its inputs."""
    if declaration.get("origin") != "external":
        return ()
    need_the_model = ("artifact", "parity", "robustness", "stability", "cost", "reason_codes")
    return need_the_model if declaration.get("features") else (*need_the_model, "leakage", "proxy")


def blocks(policy: Row, gate: str, decided: Row) -> bool:
    """Whether a decision other than a pass keeps a version from promotion under the policy."""
    rules = policy["gates"].get(gate)
    if rules is None:
        return True
    held = rules.get("required", True)
    if decided["outcome"] == "not_measurable":
        absent = bool((decided.get("details") or {}).get("absent"))
        held = held and rules.get("absence_blocks" if absent else "not_measurable_blocks", True)
    return bool(held)


def check_exception(
    before: list[Row], signed: dict[int, Act], promotion: Row, used: Row, policy: Row, authors: set[str], version: str
) -> None:
    """An exception was signed before the promotion by somebody who may, and was in force for this gate and version."""
    what, then = f"the exception to gate {used['gate']}", instant(promotion["recorded_at"])
    row = next((r for r in before if r["seq"] == used["seq"]), None)
    act = signed.get(used["seq"])
    if row is None or act is None or row["kind"] != "exception_granted":
        raise Wrong(f"{what} is no signed record before the promotion")
    person, _, statement = act
    if statement["gate"] != used["gate"] or statement["version"] not in (None, version):
        raise Wrong(f"{what} was signed for gate {statement['gate']} of version {statement['version']}")
    if instant(statement["expires"]) <= then:
        raise Wrong(f"{what} had expired when the version was promoted")
    rule = policy["exceptions"]
    if statement["role"] not in rule["roles"]:
        raise Wrong(f"{what} was signed as {statement['role']}, which the policy does not allow")
    if person.casefold() in authors:
        raise Wrong(f"{what} was signed by {person}, who built this version")
    if instant(statement["expires"]) - instant(row["recorded_at"]) > timedelta(rule["max_days"]) + SIGNING_SLACK:
        raise Wrong(f"{what} lasts longer than the {rule['max_days']} days that the policy allows")
    for other in before:
        act = signed.get(other["seq"])
        if other["kind"] == "exception_withdrawn" and act and act[2].get("seq") == row["seq"]:
            raise Wrong(f"{what} had been withdrawn by record {other['seq']}")


def check_validation(before: list[Row], signed: dict[int, Act], promotion: Row, policy: Row, version: str) -> None:
    """The last validation before the promotion did not reject the version, and had not ended."""
    kinds = [r for r in before if r["kind"] == "validation_recorded" and r["subject"] == version]
    validations = [r for r in kinds if r["seq"] in signed]
    if not validations:
        if policy.get("validation", {}).get("required"):
            raise Wrong(f"{named(promotion)}: the policy requires a validation, and none is signed before it")
        return
    last = validations[-1]
    if last["body"]["outcome"] == "rejected":
        raise Wrong(f"{named(promotion)}: {last['body']['person']} had rejected the version (record {last['seq']})")
    if instant(last["body"]["valid_until"]) <= instant(promotion["recorded_at"]):
        raise Wrong(f"{named(promotion)}: the validation of record {last['seq']} had ended")


def check_developers(people: list[Row], promotion: Row, policy: Row, developers: list[str]) -> None:
    """Where approvals are required, every declared developer was enrolled: else an author could approve under another name."""
    enrolled = {p["name"].casefold() for p in people if p["enrolled"] < promotion["seq"]}
    unknown = sorted(name for name in developers if name.strip().casefold() not in enrolled)
    if policy["approvals"] and unknown:
        raise Wrong(f"{named(promotion)}: the developers {', '.join(unknown)} were not enrolled when it was approved")


def check_approvals(
    before: list[Row], signed: dict[int, Act], promotion: Row, policy: Row, authors: set[str], version: str
) -> None:
    """Enough different people, none of them an author, in the required roles, over exactly these digests; and nobody's
    rejection of them stood."""
    what, digests = named(promotion), promotion["body"]["digests"]
    required = {rule["role"]: rule["count"] for rule in policy["approvals"]}
    roles, names = [], []
    for seq in promotion["body"]["approvals"]:
        if seq >= promotion["seq"] or seq not in signed or signed[seq][2].get("decision") != "approve":
            raise Wrong(f"{what} counts record {seq}, which is no signed approval")
        name, subjects, approval = signed[seq]
        if approval["version"] != version or subjects != digests:
            raise Wrong(f"{what}: the approval of record {seq} was signed over other digests")
        if name.casefold() in authors:
            raise Wrong(f"{what}: {name} built this version and approved it")
        roles.append(approval["role"])
        names.append(name)
    if len(set(names)) != len(names):
        raise Wrong(f"{what} counts one person twice")
    for role, count in required.items():
        if roles.count(role) < count:
            raise Wrong(f"{what}: the policy requires {count} approval(s) as {role}, found {roles.count(role)}")
    standing: dict[str, tuple[str, int]] = {}
    for row in (r for r in before if r["kind"] == "approval" and r["subject"] == version and r["seq"] in signed):
        name, subjects, approval = signed[row["seq"]]
        mine = subjects == digests and approval["role"] in (required or {approval["role"]})
        if mine and name.casefold() not in authors:
            standing[name] = (approval["decision"], row["seq"])
    for name, (decision, seq) in standing.items():
        if decision == "reject":
            raise Wrong(f"{what}: {name} had rejected the version (record {seq})")


def check_addendum(files: dict[str, bytes], rows: list[Row], signed: dict[int, Act], model: str, version: str) -> int:
    """The addendum lists every judgement on the model since the card, each as it is in the ledger; gives back how many."""
    addendum: Any = parsed(files["addendum.json"], "addendum.json") if "addendum.json" in files else None
    if addendum is None:
        raise Wrong("addendum.json is missing")
    about_card = [r for r in rows if (r["kind"], r["model"], r["subject"]) == ("card_issued", model, version)]
    since = about_card[-1]["seq"] if about_card else 0
    listed = {entry["record"]: entry for entry in addendum["entries"]}
    for row in (r for r in rows if r["model"] == model and r["seq"] > since and r["kind"] in JUDGED):
        entry = listed.pop(row["seq"], None)
        if entry is None:
            raise Wrong(f"addendum.json leaves out record {row['seq']} ({row['kind']} {row['subject']})")
        if (entry["digest"], entry["kind"], entry["subject"]) != (row["digest"], row["kind"], row["subject"]):
            raise Wrong(f"addendum.json describes record {row['seq']} as another one")
        if entry["counts"] and "envelope" in row["body"] and row["body"]["envelope"] and row["seq"] not in signed:
            raise Wrong(f"addendum.json counts record {row['seq']}, whose signature does not count")
    if listed:
        raise Wrong(f"addendum.json lists record {min(listed)}, which is none of this model since its card")
    return len(addendum["entries"])
