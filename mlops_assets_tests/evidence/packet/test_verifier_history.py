"""What a verifier asks of earlier records costs no more for the thousandth promotion than for the first."""

from typing import Any

from mlops_assets.evidence.packet.verifier_ledger import sha256
from mlops_assets.evidence.packet.verifier_signatures import canonical
from mlops_assets.evidence.packet.verifier_version import check_version

DECLARATION: dict[str, Any] = {"event_time": "applied_on"}
POLICY: dict[str, Any] = {
    "tier": "high", "gates": {"cost": {"required": True}}, "approvals": [], "exceptions": {"roles": [], "max_days": 1},
    "release": {"shadow_windows": 1},
}  # fmt: skip
FILES = {"declaration.json": canonical(DECLARATION).encode(), "policy.json": canonical(POLICY).encode()}


class Looked(dict[str, Any]):
    """A record that counts how often somebody looks at one of its fields."""

    times = 0

    def __getitem__(self, name: str) -> Any:
        Looked.times += 1
        return super().__getitem__(name)


def history(promotions: int) -> list[dict[str, Any]]:
    """Versions that take over from each other in turn, each with what its promotion rests on; two of them again and again."""
    rows: list[dict[str, Any]] = []

    def add(kind: str, subject: str, **body: Any) -> dict[str, Any]:
        seq = len(rows) + 1
        row = {
            "seq": seq,
            "kind": kind,
            "model": "m",
            "subject": subject,
            "recorded_at": "2026-01-01T00:00:00Z",
            "digest": f"d{seq}",
        }
        rows.append(Looked({**row, "body": body}))
        return rows[-1]

    under = sha256(FILES["policy.json"].decode())
    add("policy_adopted", under[:12], policy=POLICY, policy_digest=under)
    former, registered, decided = None, {}, {}
    for turn in range(promotions):
        version = turn % 2 + 1 if turn % 3 == 0 else turn + 10
        subject = str(version)
        if subject not in registered:
            registered[subject] = add(
                "version_registered", subject, artifact_digest="a", data_digest="b", developers=["x"],
                declaration=DECLARATION, declaration_digest=sha256(FILES["declaration.json"].decode()), run_id="r",
            )  # fmt: skip
            decided[subject] = add(
                "gate_decision", subject, gate="cost", outcome="passed", policy_digest=under, evidence={}
            )
            add("window_scored", f"w{turn}", challenger=version, rows=10, version=former or 0)
        digests = {
            "registration": registered[subject]["digest"], "policy": under, "artifact": "a", "data": "b",
            "declaration": sha256(FILES["declaration.json"].decode()), "gate:cost": decided[subject]["digest"],
        }  # fmt: skip
        add(
            "promotion", subject, policy=POLICY, policy_digest=under, decisions=[decided[subject]["seq"]], approvals=[],
            exceptions=[], former=former, digests=digests,
        )  # fmt: skip
        former = version
    return rows


def looks(promotions: int) -> int:
    rows, Looked.times = history(promotions), 0
    Looked.times = 0
    summary, champion = check_version(FILES, rows, [], {}, "m", rows[1]["subject"])
    assert "promoted by record" in summary
    assert champion["champion"] is not None
    return Looked.times


def test_twice_as_many_promotions_are_twice_the_work():
    few, many = looks(300), looks(600)
    assert many < 2.2 * few
