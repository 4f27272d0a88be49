"""What a verifier follows again of the champion: which version decided before a record, and what a version had to climb.

Every promotion, rollback, suspension, resumption and retirement of the model is looked at, whichever version it is about.
"""

from collections.abc import Iterator

from mlops_assets.evidence.packet.verifier_judgements import (
    SEVERITIES,
    adoptions,
    authors_before,
    open_findings,
    validations,
)
from mlops_assets.evidence.packet.verifier_ladder import check_ladder, named
from mlops_assets.evidence.packet.verifier_ledger import BY_MACHINE, MACHINES, Act, Row
from mlops_assets.evidence.packet.verifier_signatures import Wrong

CHAMPION_KINDS = ("promotion", "rollback", "suspension", "resumption", "retirement")
VERDICTS = ("none", "watch", "act", "critical")


def changes(rows: list[Row], signed: dict[int, Act], model: str) -> Iterator[tuple[Row | None, list[Row], Row]]:
    """Each promotion with the model's records before it and the champion then, after every intervention was checked;
    at the end None with all of the model's records and the champion that they lead to.

    The champion is a mapping with `status`, `champion`, `former`, `seq` and `promoted`, as the ledger's own state has it.
    """
    mine = [row for row in rows if row["model"] == model]
    now: Row = {"status": "none", "champion": None, "former": None, "seq": 0, "promoted": []}
    waiting: list[Row] = []
    for place, row in enumerate(mine):
        if row["kind"] not in CHAMPION_KINDS:
            continue
        if now["status"] == "retired":
            raise Wrong(f"{named(row)}: the model had been retired")
        before, seen = mine[:place], {"seq": row["seq"]}
        if row["kind"] == "promotion":
            yield row, before, now
            version = int(row["subject"])
            promoted = [*now["promoted"], version]
            now = {"status": "active", "champion": version, "former": now["champion"], "promoted": promoted, **seen}
            waiting = []
            continue
        check_intervention(before, signed, row, now)
        if not enough_signatures(before, signed, row, waiting):
            waiting.append(row)
            continue
        waiting = []
        if row["kind"] == "rollback":
            now = {**now, "status": "active", "champion": int(row["subject"]), "former": now["champion"], **seen}
        else:
            status = {"suspension": "suspended", "resumption": "active", "retirement": "retired"}[row["kind"]]
            now = {**now, "status": status, **seen}
    yield None, mine, now


def check_intervention(before: list[Row], signed: dict[int, Act], row: Row, now: Row) -> None:
    """A change of the champion was signed for the state it changed, by somebody who may."""
    what, kind = named(row), row["kind"]
    if row["seq"] not in signed:
        raise Wrong(f"{what} carries no signature that counts")
    person, _, statement = signed[row["seq"]]
    if statement["subject"] != row["subject"]:
        raise Wrong(f"{what} was signed about version {statement['subject']}")
    if statement["follows"] != now["seq"]:
        raise Wrong(
            f"{what} was signed for the state after record {statement['follows']}, which was {now['seq']}: a replay"
        )
    if kind == "rollback" and int(row["subject"]) not in now["promoted"]:
        raise Wrong(f"{what}: that version was never promoted")
    if kind == "suspension" and now["status"] != "active":
        raise Wrong(f"{what}: no version decided then")
    if kind == "resumption" and now["status"] != "suspended":
        raise Wrong(f"{what}: the model was not suspended")
    barred: set[str] = set()
    if kind == "retirement":
        barred = authors_before(before, None)
    elif kind == "resumption" or (kind == "rollback" and now["status"] == "suspended"):
        barred = authors_before(before, None, row["subject"] if kind == "rollback" else str(now["champion"]))
    if person.casefold() in barred:
        raise Wrong(f"{what} was signed by {person}, who built the version")
    judged = validations(before, signed, row["subject"]) if kind in ("rollback", "resumption") else []
    if judged and judged[-1]["body"]["outcome"] == "rejected":
        raise Wrong(f"{what}: the version was rejected in validation (record {judged[-1]['seq']})")
    if statement["role"] in MACHINES:
        check_automatic(before, signed, row, now)


def check_automatic(before: list[Row], signed: dict[int, Act], row: Row, now: Row) -> None:
    """What the service key did, the policy in force lets it do, because of a record that calls for it."""
    what, kind, body = named(row), row["kind"], row["body"]
    in_force = [adopted["body"] for adopted in adoptions(before, signed)][-1:]
    if signed[row["seq"]][2]["role"] != "automation" or kind not in BY_MACHINE:
        raise Wrong(f"{what} was signed by a machine's key, which may not sign it")
    if not in_force or in_force[0]["policy_digest"] != body.get("policy_digest"):
        raise Wrong(f"{what} is under a policy that was not in force then")
    policy = in_force[0]["policy"]
    if not (policy.get("automation") or {}).get("suspend" if kind == "suspension" else "rollback", False):
        raise Wrong(f"{what}: the policy lets the service key make no {kind}")
    evidence = next((r for r in before if r["seq"] == body.get("evidence")), None)
    if evidence is None:
        raise Wrong(f"{what} rests on no record of the model")
    if kind == "rollback":
        limit = policy["release"]["rollback_on"]
        about = (evidence["kind"], evidence["body"].get("version"), row["subject"])
        bad = limit in VERDICTS and evidence["body"].get("severity") in VERDICTS[VERDICTS.index(limit) :]
        if about != ("health_verdict", str(now["champion"]), str(now["former"])) or not bad:
            raise Wrong(f"{what}: record {evidence['seq']} calls for no rollback to this version")


def enough_signatures(before: list[Row], signed: dict[int, Act], row: Row, waiting: list[Row]) -> bool:
    """Whether an intervention has every signature that the policy in force requires, each person counted once."""
    person, _, statement = signed[row["seq"]]
    in_force = [adopted["body"]["policy"] for adopted in adoptions(before, signed)][-1:]
    rules = ((in_force[0].get("interventions") or {}).get(row["kind"]) or ()) if in_force else ()
    required = {rule["role"]: rule.get("count", 1) for rule in rules}
    if not required or statement["role"] in MACHINES:
        return True
    if statement["role"] not in required:
        raise Wrong(f"{named(row)}: the policy in force requires no signature as {statement['role']}")
    acts = [signed[r["seq"]] for r in waiting if (r["kind"], r["subject"]) == (row["kind"], row["subject"])]
    if person in [act[0] for act in acts]:
        raise Wrong(f"{named(row)}: {person} had signed it before")
    roles = [act[2]["role"] for act in acts] + [statement["role"]]
    return all(roles.count(role) >= count for role, count in required.items())


def check_stood(
    before: list[Row], signed: dict[int, Act], promotion: Row, policy: Row, registered: Row, now: Row
) -> None:
    """Nothing stood in the way of a promotion: no suspension, no finding that blocks, no step of the release ladder."""
    what, body, version = named(promotion), promotion["body"], promotion["subject"]
    if now["status"] == "suspended":
        raise Wrong(f"{what}: the model was suspended by record {now['seq']}")
    if body["former"] != now["champion"]:
        raise Wrong(f"{what} names {body['former']} as former champion, which was {now['champion']}")
    limit = (policy.get("findings") or {}).get("blocks_from", "high")
    held = SEVERITIES[SEVERITIES.index(limit) :] if limit in SEVERITIES else ()
    for finding in open_findings(before, signed):
        if finding["body"]["version"] in (None, version) and finding["body"]["severity"] in held:
            raise Wrong(f"{what}: finding {finding['subject']} (record {finding['seq']}) was open")
    check_ladder(before, signed, promotion, policy, registered, now)
