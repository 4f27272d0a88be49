"""One model's records in order, with what a verifier asks of those before a promotion kept as they are added.

A packet may have very many promotions. Whatever looked through all earlier records for each of them would take the square of
their number; here each record is looked at once, when it is added.
"""

from typing import Any

from mlops_assets.evidence.packet.verifier_ledger import MACHINES, Act, Row, sha256
from mlops_assets.evidence.packet.verifier_signatures import MALFORMED, canonical, why

VALIDATING = ("validator", "model-risk")
SUBJECT_DIGITS = 12
REMOVALS = {"rows_erased": "erased", "rows_expired": "removed under retention"}
REMOVING = ("data-protection", "model-risk")
"""Roles that may have rows removed."""


class History(list[Row]):
    """The records of a model so far.

    Attributes:
        signed: what was really signed, by number of record.
        by_seq: each record by its number.
        authors: who built any version, in lower case, with the number of the first registration that says so.
        adopted: adoptions by which a policy came into force.
        gates: by version and policy digest, the last decision of each gate since the registration.
        withdrawn: by number of an exception, the record that withdrew it first.
        malformed: the first record that is not what its kind should be; empty where there is none.
        beside: by challenger, the windows that it scored beside a champion, with rows.
    """

    def __init__(self, signed: dict[int, Act]) -> None:
        super().__init__()
        self.signed = signed
        self.by_seq: dict[int, Row] = {}
        self.authors: dict[str, int] = {}
        self.adopted: list[Row] = []
        self.gates: dict[tuple[str, str], dict[str, Row]] = {}
        self.withdrawn: dict[int, Row] = {}
        self.beside: dict[str, list[Row]] = {}
        self.malformed = ""
        self._about: dict[tuple[str, str], list[Row]] = {}
        self._kinds: dict[str, list[Row]] = {}
        self._signed: dict[tuple[str, str | None], list[Row]] = {}
        self._validations: dict[str, list[Row]] = {}
        self._findings: dict[str, Row] = {}
        self._closed: set[str] = set()

    def of(self, kind: str, subject: str | None = None) -> list[Row]:
        """Records of a kind, or those of them about one subject."""
        return self._kinds.get(kind, []) if subject is None else self._about.get((kind, subject), [])

    def signed_of(self, kind: str, subject: str | None = None) -> list[Row]:
        """The same, of those that carry a signature that counts."""
        return self._signed.get((kind, subject), [])

    def registration(self, version: str, seq: int | None = None) -> Row | None:
        """The first registration of a version, with `seq` only where it stands before that record."""
        found = self.of("version_registered", version)
        return found[0] if found and (seq is None or found[0]["seq"] < seq) else None

    def built(self, person: str, seq: int | None, version: str | None = None) -> bool:
        """Whether somebody had built a version, or without one any version of the model, before a record."""
        name = person.strip().casefold()
        if version is None:
            first = self.authors.get(name)
            return first is not None and (seq is None or first < seq)
        registered = self.registration(version, seq)
        return registered is not None and name in authors_of(registered["body"])

    def validations(self, version: str) -> list[Row]:
        """The validations of a version that count, in order: by validators who did not build it, each after the one before."""
        return self._validations.get(version, [])

    def open_findings(self) -> list[Row]:
        """Findings by validators who did not build the version, which none of those has closed."""
        return [row for name, row in self._findings.items() if name not in self._closed]

    def append(self, row: Row) -> None:
        """Add the next record."""
        kind, subject, body = row["kind"], row["subject"], row["body"]
        if kind == "version_registered" and self.registration(subject) is None:
            for name in authors_of(body):
                self.authors.setdefault(name, row["seq"])
        super().append(row)
        self.by_seq[row["seq"]] = row
        self._kinds.setdefault(kind, []).append(row)
        self._about.setdefault((kind, subject), []).append(row)
        if row["seq"] in self.signed:
            self._signed.setdefault((kind, None), []).append(row)
            self._signed.setdefault((kind, subject), []).append(row)
        take = self._TAKE.get(kind)
        try:
            if take is not None:
                take(self, row)
        except MALFORMED as error:
            self.malformed = self.malformed or f"record {row['seq']} ({kind} {subject}) is malformed: {why(error)}"

    def _policy_adopted(self, row: Row) -> None:
        body, latest = row["body"], self.adopted[-1] if self.adopted else None
        if sha256(canonical(body["policy"])) != body["policy_digest"]:
            return
        if body["policy_digest"][:SUBJECT_DIGITS] != row["subject"]:
            return
        roles = ((latest or row)["body"]["policy"].get("adoption") or {}).get("roles") or ()
        said_to_be_signed = body.get("envelope") is not None or body.get("person") is not None
        if not (roles or said_to_be_signed) or self._adoption_signed(row, roles, latest):
            self.adopted.append(row)

    def _adoption_signed(self, row: Row, roles: Any, latest: Row | None) -> bool:
        """Whether an adoption was signed by somebody who may, for this place in the ledger."""
        if row["seq"] not in self.signed:
            return False
        person, subjects, statement = self.signed[row["seq"]]
        body = {name: value for name, value in row["body"].items() if name not in ("schema_version", "envelope")}
        if any(statement.get(name) != value for name, value in body.items()):
            return False
        if roles and self.built(person, row["seq"]):
            return False
        allowed = statement["role"] in roles if roles else statement["role"] not in MACHINES
        follows = latest["seq"] if latest else 0
        return allowed and subjects.get("policy") == body["policy_digest"] and statement["follows"] == follows

    def _gate_decision(self, row: Row) -> None:
        if self.registration(row["subject"]) is not None:
            decided = self.gates.setdefault((row["subject"], row["body"]["policy_digest"]), {})
            decided[row["body"]["gate"]] = row

    def _window_scored(self, row: Row) -> None:
        body = row["body"]
        if body.get("challenger") is not None and body["rows"]:
            self.beside.setdefault(str(body["challenger"]), []).append(row)

    def _exception_withdrawn(self, row: Row) -> None:
        act = self.signed.get(row["seq"])
        if act is not None:
            self.withdrawn.setdefault(act[2]["seq"], row)

    def _validation(self, row: Row) -> None:
        registered = self.registration(row["subject"])
        if registered is None or row["seq"] not in self.signed:
            return
        found = self._validations.setdefault(row["subject"], [])
        person, subjects, statement = self.signed[row["seq"]]
        about = (statement["version"], subjects.get("registration"), statement["follows"])
        if about != (row["subject"], registered["digest"], found[-1]["seq"] if found else 0):
            return
        if statement["role"] in VALIDATING and person.casefold() not in authors_of(registered["body"]):
            found.append(row)

    def _finding(self, row: Row) -> None:
        if row["seq"] not in self.signed:
            return
        person, subjects, statement = self.signed[row["seq"]]
        name, closing = row["subject"], row["kind"] == "finding_closed"
        known = self._findings.get(name)
        version = (known or row)["body"].get("version") if closing else statement["version"]
        if statement["role"] not in VALIDATING or self.built(person, row["seq"], version) or statement["id"] != name:
            return
        if closing:
            if known is not None and subjects.get("finding") == known["digest"]:
                self._closed.add(name)
            return
        registered = self.registration(version) if version is not None else None
        if version is not None and (registered is None or subjects.get("registration") != registered["digest"]):
            return
        self._findings.setdefault(name, row)

    _TAKE = {  # noqa: RUF012
        "policy_adopted": _policy_adopted,
        "gate_decision": _gate_decision,
        "window_scored": _window_scored,
        "exception_withdrawn": _exception_withdrawn,
        "validation_recorded": _validation,
        "finding_recorded": _finding,
        "finding_closed": _finding,
    }


def authors_of(registered: Row) -> set[str]:
    """Who built the version of a registration, in lower case."""
    built = [*registered["developers"], registered.get("trained_by"), *registered.get("code_authors", ())]
    return {str(name).strip().casefold() for name in built if name and str(name).strip()}


def removals(rows: list[Row], signed: dict[int, Act], model: str) -> list[str]:
    """A line for each record by which rows of the model left the bank's tables: nobody should take them for missing."""
    lines = []
    for row in history_of(rows, signed, model):
        if row["kind"] not in REMOVALS or row["seq"] not in signed or signed[row["seq"]][2]["role"] not in REMOVING:
            continue
        tables = row["body"]["tables"]
        count, names = sum(table["removed"] for table in tables), sorted({table["table"] for table in tables})
        how = f"{REMOVALS[row['kind']]} by {row['body']['person']} ({row['body']['reason']})"
        lines.append(f"record {row['seq']}: {count} rows of {', '.join(names)} {how}")
    return lines


def history_of(rows: list[Row], signed: dict[int, Act], model: str) -> History:
    """The whole history of a model."""
    history = History(signed)
    for row in rows:
        if row["model"] == model:
            history.append(row)
    return history
