"""What a verifier decides again about the version: gates, exceptions, approvals, validations and policy, as promotion does."""

from datetime import timedelta

from mlops_assets.evidence.packet.verifier_champion import changes, check_stood
from mlops_assets.evidence.packet.verifier_files import check_file
from mlops_assets.evidence.packet.verifier_history import History, authors_of
from mlops_assets.evidence.packet.verifier_ladder import named
from mlops_assets.evidence.packet.verifier_ledger import MACHINES, Act, Row, instant, sha256
from mlops_assets.evidence.packet.verifier_signatures import Wrong, canonical
from mlops_assets.evidence.packet.verifier_tier import check_tier

SIGNING_SLACK = timedelta(seconds=60)


def check_version(
    files: dict[str, bytes], rows: list[Row], people: list[Row], signed: dict[int, Act], model: str, version: str
) -> tuple[str, Row]:
    """The version's digests, and every change of the model's champion decided again; gives back a summary, and the
    champion after the last record."""
    mine = [r for r in rows if r["model"] == model and r["subject"] == version]
    registered = next((r for r in mine if r["kind"] == "version_registered"), None)
    if registered is None:
        raise Wrong(f"version {version} of {model} was never registered")
    check_file(files, "declaration.json", registered["body"]["declaration_digest"], "the version was registered with")
    promotions = [r for r in mine if r["kind"] == "promotion"]
    if promotions:
        named_policy = promotions[-1]["body"]["policy_digest"]
        check_file(files, "policy.json", named_policy, "the version was promoted under")
    champion: Row = {}
    enrolled: dict[str, int] = {}
    for person in people:
        enrolled.setdefault(person["name"].casefold(), person["enrolled"])
    for promotion, before, champion in changes(rows, signed, model):
        if promotion is not None:
            check_promotion(before, enrolled, signed, promotion, champion)
    conflicting = {r["body"]["artifact_digest"] for r in mine if r["kind"] == "version_registered"}
    if len(conflicting) > 1:
        raise Wrong(f"version {version} was registered with different artifacts")
    if not promotions:
        if "policy.json" in files:
            raise Wrong("policy.json is in the packet, and the version was never promoted under any")
        return f"version {version} of {model} was registered and never promoted", champion
    body = promotions[-1]["body"]
    counts = f"{len(body['decisions'])} gates, {len(body['approvals'])} approvals"
    return f"version {version} of {model}: {counts}, promoted by record {promotions[-1]['seq']}", champion


def check_promotion(
    before: History, enrolled: dict[str, int], signed: dict[int, Act], promotion: Row, champion: Row
) -> None:
    """One promotion, of this version or of another: everything that it rested on held, and nothing stood in its way."""
    what, version, policy = named(promotion), promotion["subject"], promotion["body"]["policy"]
    registered = before.registration(version)
    if registered is None:
        raise Wrong(f"{what}: the version was not registered then")
    if sha256(canonical(policy)) != promotion["body"]["policy_digest"]:
        raise Wrong(f"{what}: the policy in it is not the one whose digest it names")
    check_policy(before, signed, promotion)
    check_tier(before, signed, promotion, policy, registered["body"]["declaration"])
    check_snapshot(before, registered)
    check_gates(before, promotion, registered, policy)
    authors = authors_of(registered["body"])
    for exception in promotion["body"]["exceptions"]:
        check_exception(before, signed, promotion, exception, policy, authors)
    check_validation(before, signed, promotion, policy)
    check_developers(enrolled, promotion, policy, registered["body"]["developers"])
    check_approvals(before, signed, promotion, policy, authors)
    check_stood(before, signed, promotion, policy, registered, champion)


def evidence_since(rows: list[Row], model: str, version: str) -> list[str]:
    """Evidence in the packet that took the place of other evidence after the approvals: a remark each, as nobody signs it."""
    mine = [r for r in rows if r["model"] == model]
    promotions = [r for r in mine if r["kind"] == "promotion" and r["subject"] == version]
    registered = next((r for r in mine if (r["kind"], r["subject"]) == ("version_registered", version)), None)
    if not promotions or registered is None:
        return []
    approved = min([*promotions[-1]["body"]["approvals"], promotions[-1]["seq"]])
    run = registered["body"]["run_id"]
    before: dict[str, str] = {}
    found: dict[str, str] = {}
    for row in (r for r in mine if r["kind"] == "evidence_stored" and r["subject"] == run):
        name, digest = row["body"]["name"], row["body"]["digest"]
        if row["seq"] < approved:
            before[name] = digest
        elif name in before:
            text = f"evidence/{name}.json is of record {row['seq']}, and other evidence was there when the version was approved"
            found[name] = text if digest != before[name] else ""
    return [text for text in found.values() if text]


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


def check_policy(before: History, signed: dict[int, Act], promotion: Row) -> None:
    """The policy of the promotion was the one in force, where any had come into force."""
    in_force = [adopted["body"]["policy_digest"] for adopted in before.adopted[-1:]]
    if in_force and in_force[0] != promotion["body"]["policy_digest"]:
        raise Wrong(f"{named(promotion)} is under a policy that was not in force then")


def check_snapshot(before: History, registered: Row) -> None:
    """The rows that the version was trained on were recorded before it: a snapshot with the digest of its registration."""
    seq, data = registered["body"].get("snapshot_record"), registered["body"]["data_digest"]
    if not seq:
        return  # registered from rows that were never recorded as a snapshot: there is nothing to compare
    taken = before.by_seq.get(seq)
    if taken is None or (taken["kind"], taken["subject"]) != ("snapshot_taken", data) or seq > registered["seq"]:
        raise Wrong(f"{named(registered)} names record {seq} as its snapshot, which is none of its rows")


def check_gates(before: History, promotion: Row, registered: Row, policy: Row) -> None:
    """Every gate that the policy requires had decided, and passed unless an exception lifts it; the digests that were
    approved are those of the records."""
    what, body, version = named(promotion), promotion["body"], promotion["subject"]
    lifted = {exception["gate"] for exception in body["exceptions"]}
    latest = before.gates.get((version, body["policy_digest"]), {})
    counting = {row["seq"] for row in latest.values()}
    for seq in body["decisions"]:
        if seq not in counting:
            why = "which is no gate decision on this version under its policy, or not the last one of the gate"
            raise Wrong(f"{what} rests on record {seq}, {why}")
    for gate, rule in policy["gates"].items():
        decision = latest.get(gate)
        if decision is None or decision["seq"] not in body["decisions"]:
            if rule.get("required"):
                raise Wrong(f"{what}: the policy requires gate {gate}, and no decision on it is named")
            continue
        outcome = decision["body"]["outcome"]
        if outcome == "not_applicable" and gate in gates_without(registered["body"]["declaration"]):
            continue
        if outcome != "passed" and gate not in lifted and blocks(policy, gate, decision["body"]):
            raise Wrong(f"{what}: gate {gate} was {outcome} (record {decision['seq']}), and no exception lifts it")
    check_digests(before, promotion, registered, latest)


def check_digests(before: History, promotion: Row, registered: Row, latest: dict[str, Row]) -> None:
    """What the approvals were signed over is what the ledger held: registration, policy, files, card and gates."""
    what, body = named(promotion), promotion["body"]
    expected = {"registration": registered["digest"], "policy": body["policy_digest"]}
    for name in ("artifact", "data", "declaration", "features"):
        if registered["body"].get(name + "_digest"):
            expected[name] = registered["body"][name + "_digest"]
    cards = before.of("card_issued", promotion["subject"])
    if cards:
        expected["card"] = cards[-1]["body"]["digest"]
    expected.update({f"gate:{gate}": row["digest"] for gate, row in latest.items()})
    for name in (*expected, *(n for n in body["digests"] if n not in expected)):
        if body["digests"].get(name) != expected.get(name):
            raise Wrong(f"{what}: its digest of {name} is not the ledger's")


def gates_without(declaration: Row) -> tuple[str, ...]:
    """Gates that may be recorded as not applicable: of a model that others run, those that need the model or its inputs; of one
    that others trained, the one that needs its training."""
    if declaration.get("origin") == "imported":
        return ("stability",)
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
    before: History, signed: dict[int, Act], promotion: Row, used: Row, policy: Row, authors: set[str]
) -> None:
    """An exception was signed before the promotion by somebody who may, and was in force for this gate and version."""
    what, then, version = (
        f"the exception to gate {used['gate']}",
        instant(promotion["recorded_at"]),
        promotion["subject"],
    )
    row = before.by_seq.get(used["seq"])
    act = signed.get(used["seq"])
    if row is None or act is None or row["kind"] != "exception_granted":
        raise Wrong(f"{what} is no signed record before the promotion")
    person, subjects, statement = act
    if statement["gate"] != used["gate"] or statement["version"] not in (None, version):
        raise Wrong(f"{what} was signed for gate {statement['gate']} of version {statement['version']}")
    if instant(statement["expires"]) <= then:
        raise Wrong(f"{what} had expired when the version was promoted")
    rule = policy["exceptions"]
    if statement["role"] not in rule["roles"]:
        raise Wrong(f"{what} was signed as {statement['role']}, which the policy does not allow")
    # An exception for every version is no matter of any version's author.
    if person.casefold() in authors or before.built(person, row["seq"], statement["version"]):
        raise Wrong(f"{what} was signed by {person}, who built this version")
    registered = before.registration(version)
    if statement["version"] and registered and subjects.get("registration") != registered["digest"]:
        raise Wrong(f"{what} was signed for another registration of version {version}")
    if instant(statement["expires"]) - instant(row["recorded_at"]) > timedelta(rule["max_days"]) + SIGNING_SLACK:
        raise Wrong(f"{what} lasts longer than the {rule['max_days']} days that the policy allows")
    withdrawn = before.withdrawn.get(row["seq"])
    if withdrawn is not None:
        raise Wrong(f"{what} had been withdrawn by record {withdrawn['seq']}")


def check_validation(before: History, signed: dict[int, Act], promotion: Row, policy: Row) -> None:
    """The last validation before the promotion did not reject the version, and had not ended."""
    counting = before.validations(promotion["subject"])
    if not counting:
        if policy.get("validation", {}).get("required"):
            raise Wrong(f"{named(promotion)}: the policy requires a validation, and none is signed before it")
        return
    last = counting[-1]
    if last["body"]["outcome"] == "rejected":
        raise Wrong(f"{named(promotion)}: {last['body']['person']} had rejected the version (record {last['seq']})")
    ends = instant(last["body"]["valid_until"])
    if "validity_days" in policy:
        ends = min(ends, instant(last["recorded_at"]) + timedelta(policy["validity_days"]))
    if ends <= instant(promotion["recorded_at"]):
        raise Wrong(f"{named(promotion)}: the validation of record {last['seq']} had ended")


def check_developers(enrolled: dict[str, int], promotion: Row, policy: Row, developers: list[str]) -> None:
    """Where approvals are required, every declared developer was enrolled: else an author could approve under another name."""
    then = promotion["seq"]
    unknown = sorted(name for name in developers if enrolled.get(name.strip().casefold(), then) >= then)
    if policy["approvals"] and unknown:
        raise Wrong(f"{named(promotion)}: the developers {', '.join(unknown)} were not enrolled when it was approved")


def check_approvals(before: History, signed: dict[int, Act], promotion: Row, policy: Row, authors: set[str]) -> None:
    """Enough different people, none of them an author, in the required roles, over exactly these digests; and nobody's
    rejection of them stood."""
    what, version, digests = named(promotion), promotion["subject"], promotion["body"]["digests"]
    required = {rule["role"]: rule["count"] for rule in policy["approvals"]}
    roles, names = [], []
    for seq in promotion["body"]["approvals"]:
        if seq >= promotion["seq"] or seq not in signed or signed[seq][2].get("decision") != "approve":
            raise Wrong(f"{what} counts record {seq}, which is no signed approval")
        name, subjects, approval = signed[seq]
        if approval["role"] in (*MACHINES, "root"):
            raise Wrong(f"{what} counts record {seq}, signed as {approval['role']}, which judges no model")
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
    for row in before.signed_of("approval", version):
        name, subjects, approval = signed[row["seq"]]
        mine = subjects == digests and approval["role"] in (required or {approval["role"]})
        if mine and name.casefold() not in authors:
            standing[name] = (approval["decision"], row["seq"])
    for name, (decision, seq) in standing.items():
        if decision == "reject":
            raise Wrong(f"{what}: {name} had rejected the version (record {seq})")
