"""Events of a training: the snapshot of rows, the registered version, its stored evidence and its card. Written by stages."""

from datetime import date
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from mlops_assets.ledger.events.base import Digest, Event


class RowsWithoutOutcome(BaseModel):
    """Rows of the training period of which no outcome can be known, as declared. They do not train; windows are compared with
    them as well.

    Attributes:
        rows: how many.
        table: table in the lake.
        delta_version: version of the Delta table.
        digest: of the rows, in the order of the snapshot.
        root: of the tree over the rows, or None in older records.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    table: str
    delta_version: int
    digest: Digest
    root: Digest | None = None


class SnapshotTaken(Event):
    """Training rows were checked and stored. The record's subject is the digest of the rows.

    Attributes:
        rows: number of rows in the snapshot.
        quarantined: number of rows refused by the contract.
        reasons: refused rows by reason.
        table: table in the lake.
        ordered_by: column that orders the rows for the digest.
        delta_version: version of the Delta table.
        root: of the tree over the rows, or None in older records.
        since: first day of the training rows, or None.
        until: the rows are from before this day, or None.
        history: how far back to train was chosen, or None.
        windows_left_out: starts of quarantined windows whose rows were left out.
        declaration_digest: of the declaration it was taken under.
        request: id of the retraining request it answers, or None.
        screening: what was measured on the rows before any model.
        contract: what the contract check found.
        account: in which place each row of the source is.
        reading: how the source was read: guesses, and files that differ or were left out.
        without_outcome: rows that have no outcome, as declared, or None.
    """

    KIND: ClassVar[str] = "snapshot_taken"

    rows: int
    quarantined: int
    reasons: dict[str, int] = Field(default_factory=dict)
    table: str
    ordered_by: str
    delta_version: int
    root: Digest | None = None
    since: date | None = None
    until: date | None = None
    history: dict[str, Any] | None = None
    windows_left_out: tuple[str, ...] = ()
    declaration_digest: Digest
    request: str | None = None
    screening: dict[str, Any] = Field(default_factory=dict)
    contract: dict[str, Any] = Field(default_factory=dict)
    account: dict[str, Any] = Field(default_factory=dict)
    reading: tuple[str, ...] = ()
    without_outcome: RowsWithoutOutcome | None = None


class VersionRegistered(Event):
    """A trained version was registered. The record's subject is the version number.

    Attributes:
        algorithm: label of the chosen candidate.
        artifact_digest: of the stored model, over its canonical content.
        data_digest: of the training rows.
        snapshot_record: number of the `snapshot_taken` record.
        declaration_digest: of the declaration.
        declaration: the declaration as it was then.
        features_digest: of the feature definition, or None.
        training_key: names the training: declaration, rows, code, environment and seed.
        run_id: MLflow run.
        code_version: package version and digest of the code that trains.
        environment_digest: of the installed packages.
        repository_commit: commit of the bank's repository, or None where the project is in no repository.
        repository_clean: whether the working tree had no changes; None where the project is in no repository.
        developers: declared developers.
        trained_by: who signed the retraining request that it answers, or empty.
        code_authors: names and mail names of the authors of the commits that the model's folder consists of; empty where
            the project is in no repository.
        request: id of the retraining request it answers, or None.
        threshold: decision threshold on the score, or None.
        signature: signature of the artifact (a Sigstore bundle), or None.
    """

    KIND: ClassVar[str] = "version_registered"

    algorithm: str
    artifact_digest: Digest
    data_digest: Digest
    snapshot_record: int
    declaration_digest: Digest
    declaration: dict[str, Any]
    features_digest: Digest | None = None
    training_key: str
    run_id: str
    code_version: str
    environment_digest: str
    repository_commit: str | None = None
    repository_clean: bool | None = None
    developers: tuple[str, ...]
    trained_by: str = ""
    code_authors: tuple[str, ...] = ()
    request: str | None = None
    threshold: float | None = None
    signature: Any = None

    @property
    def authors(self) -> frozenset[str]:
        """Who built the version, in lower case: none of them may judge it."""
        names = (*self.developers, self.trained_by, *self.code_authors)
        return frozenset(name.strip().casefold() for name in names if name.strip())

    @property
    def has_windows(self) -> bool:
        """Whether the declared data has an event time, and so monitoring windows."""
        return self.declaration.get("event_time") is not None


class EvidenceStored(Event):
    """A stage stored a result outside the ledger. The record's subject is the id of the MLflow run that carries it, or
    `model@window` for a result of a window.

    Attributes:
        name: of the result.
        digest: SHA-256 of its content.
        root: of the tree over its rows, where it is a table.
    """

    KIND: ClassVar[str] = "evidence_stored"

    name: str
    digest: Digest
    root: Digest | None = None


class CardIssued(Event):
    """The model card of a version was written. The record's subject is the version number.

    Attributes:
        digest: of the card's JSON; approvals are signed over it.
        path: folder of the card, relative to the home.
        missing: required sections or evidence that the card lacks.
        files: digest of each file of the card by its relative path.
    """

    KIND: ClassVar[str] = "card_issued"

    digest: Digest
    path: str
    missing: tuple[str, ...]
    files: dict[str, Digest]
