"""What a verifier follows again of the champion: which version decided before a record, and what a version had to climb.

Every promotion, rollback, suspension, resumption and retirement of the model is looked at, whichever version it is about.
"""

from collections.abc import Iterator
from datetime import timedelta

from mlops_assets.evidence.packet.verifier_history import History
from mlops_assets.evidence.packet.verifier_ladder import check_ladder, named
from mlops_assets.evidence.packet.verifier_ledger import BY_MACHINE, MACHINES, Act, Row, instant
from mlops_assets.evidence.packet.verifier_signatures import Wrong

CHAMPION_KINDS = ("promotion", "rollback", "suspension", "resumption", "retirement")
SEVERITIES = ("low", "medium", "high", "critical")
"""Of findings."""
OVERDUE = ("validation_expired", "validation_missing")
"""Causes of a suspension that rests on a date."""
VERDICTS = ("none", "watch", "act", "critical")


def changes(rows: list[Row], signed: dict[int, Act], model: str) -> Iterator[tuple[Row | None, History, Row]]:
    """Each promotion with the model's records before it and the champion then, after every intervention was checked;
    at the end None with all of the model's records and the champion that they lead to.

    The champion is a mapping with `status`, `champion`, `former`, `seq` and `promoted`, as the ledger's own state has it. The
    records grow as one goes on: who is given them reads them before asking for the next promotion.
    """
    mine, promoted = History(signed), set[int]()
    now: Row = {"status": "none", "champion": None, "former": None, "seq": 0, "promoted": promoted}
    waiting: dict[tuple[str, str], list[Row]] = {}
    for row in (r for r in rows if r["model"] == model):
        if row["kind"] in CHAMPION_KINDS:
            if now["status"] == "retired":
                raise Wrong(f"{named(row)}: the model had been retired")
            if mine.malformed:
                raise Wrong(mine.malformed)
            if row["kind"] == "promotion":
                yield row, mine, now
                promoted.add(int(row["subject"]))
                waiting = {}
                version = int(row["subject"])
                now = {**now, "status": "active", "champion": version, "former": now["champion"], "seq": row["seq"]}
            else:
                check_intervention(mine, signed, row, now)
                together = waiting.setdefault((row["kind"], row["subject"]), [])
                if enough_signatures(mine, signed, row, together):
                    waiting = {}
                    now = intervened(row, now)
                else:
                    together.append(row)
        mine.append(row)
    yield None, mine, now


def intervened(row: Row, now: Row) -> Row:
    """The champion after an intervention."""
    if row["kind"] == "rollback":
        former = now["champion"]
        return {**now, "status": "active", "champion": int(row["subject"]), "former": former, "seq": row["seq"]}
    status = {"suspension": "suspended", "resumption": "active", "retirement": "retired"}[row["kind"]]
    return {**now, "status": status, "seq": row["seq"]}


def check_intervention(before: History, signed: dict[int, Act], row: Row, now: Row) -> None:
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
    barred = kind == "retirement" and before.built(person, None)
    if kind == "resumption" or (kind == "rollback" and now["status"] == "suspended"):
        barred = before.built(person, None, row["subject"] if kind == "rollback" else str(now["champion"]))
    if barred:
        raise Wrong(f"{what} was signed by {person}, who built the version")
    judged = before.validations(row["subject"]) if kind in ("rollback", "resumption") else []
    if judged and judged[-1]["body"]["outcome"] == "rejected":
        raise Wrong(f"{what}: the version was rejected in validation (record {judged[-1]['seq']})")
    if statement["role"] in MACHINES:
        check_automatic(before, signed, row, now)


def check_automatic(before: History, signed: dict[int, Act], row: Row, now: Row) -> None:
    """What the service key did, the policy in force lets it do, because of a record that calls for it."""
    what, kind, body = named(row), row["kind"], row["body"]
    in_force = [adopted["body"] for adopted in before.adopted[-1:]]
    if signed[row["seq"]][2]["role"] != "automation" or kind not in BY_MACHINE:
        raise Wrong(f"{what} was signed by a machine's key, which may not sign it")
    if not in_force or in_force[0]["policy_digest"] != body.get("policy_digest"):
        raise Wrong(f"{what} is under a policy that was not in force then")
    policy = in_force[0]["policy"]
    if not (policy.get("automation") or {}).get("suspend" if kind == "suspension" else "rollback", False):
        raise Wrong(f"{what}: the policy lets the service key make no {kind}")
    evidence = before.by_seq.get(body.get("evidence"))
    if evidence is None:
        raise Wrong(f"{what} rests on no record of the model")
    if kind == "rollback":
        limit = policy["release"]["rollback_on"]
        about = (evidence["kind"], evidence["body"].get("version"), row["subject"])
        bad = limit in VERDICTS and evidence["body"].get("severity") in VERDICTS[VERDICTS.index(limit) :]
        if about != ("health_verdict", str(now["champion"]), str(now["former"])) or not bad:
            raise Wrong(f"{what}: record {evidence['seq']} calls for no rollback to this version")
    elif not calls_for_suspension(before, row, evidence, policy, str(now["champion"])):
        raise Wrong(f"{what}: record {evidence['seq']} calls for no suspension")


def calls_for_suspension(before: History, row: Row, evidence: Row, policy: Row, champion: str) -> bool:
    """Whether a record, under the policy, calls for the suspension of the champion: a verdict on it, its rejection in
    validation once the term is over, or a review that was overdue."""
    body, response = evidence["body"], policy.get("response") or {}
    if evidence["kind"] == "health_verdict":
        grave = body["severity"] in ("act", "critical") and body["kind"] != "none"
        return grave and body["version"] == champion and "suspend" in (response.get(body["kind"]) or ())
    then, judged = instant(row["recorded_at"]), before.validations(champion)
    if evidence["kind"] == "validation_recorded":
        term = timedelta((policy.get("validation") or {}).get("rejection_term_days", 0))
        standing = bool(judged) and judged[-1]["seq"] == evidence["seq"] and body["outcome"] == "rejected"
        return standing and instant(evidence["recorded_at"]) + term <= then
    if row["body"].get("cause") not in OVERDUE or "suspend" not in (response.get("validation_expired") or ()):
        return False
    last = judged[-1:] or before.of("promotion", champion)[-1:]
    if not last or (judged and judged[-1]["body"]["outcome"] == "rejected"):
        return False
    ends = instant(last[0]["recorded_at"]) + timedelta(policy["validity_days"])
    return (min(ends, instant(judged[-1]["body"]["valid_until"])) if judged else ends) <= then


def enough_signatures(before: History, signed: dict[int, Act], row: Row, waiting: list[Row]) -> bool:
    """Whether an intervention has every signature that the policy in force requires, each person counted once."""
    person, _, statement = signed[row["seq"]]
    in_force = [adopted["body"]["policy"] for adopted in before.adopted[-1:]]
    rules = ((in_force[0].get("interventions") or {}).get(row["kind"]) or ()) if in_force else ()
    required = {rule["role"]: rule.get("count", 1) for rule in rules}
    if not required or statement["role"] in MACHINES:
        return True
    if statement["role"] not in required:
        raise Wrong(f"{named(row)}: the policy in force requires no signature as {statement['role']}")
    acts = [signed[r["seq"]] for r in waiting]
    if person in [act[0] for act in acts]:
        raise Wrong(f"{named(row)}: {person} had signed it before")
    roles = [act[2]["role"] for act in acts] + [statement["role"]]
    return all(roles.count(role) >= count for role, count in required.items())


def check_stood(
    before: History, signed: dict[int, Act], promotion: Row, policy: Row, registered: Row, now: Row
) -> None:
    """Nothing stood in the way of a promotion: no suspension, no finding that blocks, no step of the release ladder."""
    what, body, version = named(promotion), promotion["body"], promotion["subject"]
    if now["status"] == "suspended":
        raise Wrong(f"{what}: the model was suspended by record {now['seq']}")
    if body["former"] != now["champion"]:
        raise Wrong(f"{what} names {body['former']} as former champion, which was {now['champion']}")
    limit = (policy.get("findings") or {}).get("blocks_from", "high")
    held = SEVERITIES[SEVERITIES.index(limit) :] if limit in SEVERITIES else ()
    for finding in before.open_findings():
        if finding["body"]["version"] in (None, version) and finding["body"]["severity"] in held:
            raise Wrong(f"{what}: finding {finding['subject']} (record {finding['seq']}) was open")
    check_ladder(before, signed, promotion, policy, registered, now)
