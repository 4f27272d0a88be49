"""The lineage of a model as OpenLineage events, for catalogues that other systems fill, too.

Records in, events out (specification 2-0-2, https://openlineage.io/spec/2-0-2/OpenLineage.json). Jobs and datasets are named
as the assets in Dagster are. The ledger records what has ended, so the START that the specification requires of each run
carries the time of its COMPLETE. Records that do not count are left out. Nothing is sent anywhere.
"""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version as version_of
from typing import Any

from mlops_assets.datasets.windows import window_of_key
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.events.base import Event
from mlops_assets.ledger.events.champion import Promotion
from mlops_assets.ledger.events.judgements import GateDecided
from mlops_assets.ledger.events.versions import SnapshotTaken, VersionRegistered
from mlops_assets.ledger.events.windows import HealthVerdict, WindowScored
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Record

SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACETS = "https://openlineage.io/spec/facets"
NAMESPACE = "mlops_assets"
OWN_FACET = "urn:x-mlops-assets:openlineage:ledger-record/v1"
RUNS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:x-mlops-assets:openlineage:run")

Dataset = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """What one run read and wrote.

    Attributes:
        stage: name of the asset that it made.
        inputs, outputs: datasets.
        facets: of the run.
    """

    stage: str
    inputs: list[Dataset]
    outputs: list[Dataset]
    facets: dict[str, Any] = field(default_factory=dict)


def events(ledger: Ledger, model: str, version: str | None = None, namespace: str = NAMESPACE) -> list[dict[str, Any]]:
    """Events of one model, a START and a COMPLETE a run, in order of recording.

    Args:
        ledger: to read.
        model: name.
        version: only what made this version, and what it did; None: all versions.
        namespace: of jobs and datasets, to tell projects apart.
    """
    records = ledger.records(model=model)
    objections = ledger.state().objections(records)
    lineage = _Lineage(model, [r for r in records if r.seq not in objections], namespace)
    return [event for record in lineage.records for event in lineage.events_of(record, version)]


class _Lineage:
    """How the records of a model rest on each other."""

    def __init__(self, model: str, records: Sequence[Record], namespace: str) -> None:
        self.model, self.records, self.namespace = model, records, namespace
        self.producer = f"urn:x-mlops-assets:{version_of('mlops_assets')}"
        self.registered: dict[str, Record[VersionRegistered]] = {
            r.subject: r for r in records if isinstance(r.event, VersionRegistered)
        }
        self.declared = {
            name: Declaration.model_validate(r.event.declaration)
            for name, r in self.registered.items()
            if r.event.declaration
        }
        self.runs: Mapping[type[Event], Callable[[Record[Any], str], Run]] = {
            SnapshotTaken: self._snapshot_taken,
            VersionRegistered: self._version_registered,
            Promotion: self._promotion,
            WindowScored: self._window_scored,
            HealthVerdict: self._health_verdict,
        }

    def events_of(self, record: Record, version: str | None) -> Iterator[dict[str, Any]]:
        """START and COMPLETE of the run that ended with this record; nothing for records that are no run."""
        run_of = self.runs.get(type(record.event))
        concerned = self.version_of(record) if run_of is not None else None
        if run_of is None or concerned is None or version not in (None, concerned):
            return
        run = run_of(record, concerned)
        job: dict[str, Any] = {"namespace": self.namespace, "name": f"{self.model}.{run.stage}"}
        declaration = self.declared.get(concerned)
        if declaration is not None:
            owners = self.facet("1-0-0/OwnershipJobFacet.json", owners=[{"name": declaration.owner, "type": "OWNER"}])
            text = self.facet("1-0-0/DocumentationJobFacet.json", description=declaration.purpose)
            job["facets"] = {"ownership": owners, "documentation": text}
        ledger = {"_producer": self.producer, "_schemaURL": OWN_FACET}
        ledger |= {"seq": record.seq, "kind": record.kind, "digest": record.digest}
        facets = {"mlops_assets_ledgerRecord": ledger, **run.facets}
        common = {
            "eventTime": iso(record.recorded_at),
            "producer": self.producer,
            "schemaURL": SCHEMA,
            "run": {"runId": str(uuid.uuid5(RUNS, record.digest)), "facets": facets},
            "job": job,
            "inputs": run.inputs,
        }
        yield {"eventType": "START", **common, "outputs": []}
        yield {"eventType": "COMPLETE", **common, "outputs": run.outputs}

    def version_of(self, record: Record) -> str | None:
        """The version that a record is about; of a snapshot, the first one that was trained on it afterwards."""
        event = record.event
        if isinstance(event, SnapshotTaken):
            trained = (r for r in self.registered.values() if r.event.data_digest == record.subject)
            return next((r.subject for r in trained if r.seq > record.seq), None)
        if isinstance(event, WindowScored | HealthVerdict):
            return str(event.version)
        return record.subject

    def _snapshot_taken(self, record: Record[SnapshotTaken], version: str) -> Run:
        declaration = self.declared.get(version)
        table = self.dataset("training_data", record.subject, record.event.rows)
        if declaration is not None:
            fields = [
                {"name": name, "type": feature.role.value, "description": feature.description}
                for name, feature in declaration.features.items()
            ]
            table["facets"]["schema"] = self.facet("1-0-0/SchemaDatasetFacet.json", fields=fields)
        return Run("training_data", self.source(version), [table])

    def _version_registered(self, record: Record[VersionRegistered], version: str) -> Run:
        rows = self.dataset("training_data", record.event.data_digest)
        return Run("challenger", [rows], [self.dataset("challenger", version)])

    def _promotion(self, record: Record[Promotion], version: str) -> Run:
        candidate = self.dataset("challenger", version)
        last = {
            r.event.gate: r.event.outcome
            for r in self.records
            if isinstance(r.event, GateDecided) and r.subject == version and r.seq < record.seq
        }
        if last:
            decided = [{"assertion": gate, "success": outcome == "passed"} for gate, outcome in last.items()]
            checks = self.facet("1-0-1/DataQualityAssertionsDatasetFacet.json", assertions=decided)
            candidate["inputFacets"] = {"dataQualityAssertions": checks}
        return Run("champion", [candidate], [self.dataset("champion", version)])

    def _window_scored(self, record: Record[WindowScored], version: str) -> Run:
        event = record.event
        inputs = [*self.source(version, event.source_digest or ""), self.dataset("champion", version)]
        predictions = self.dataset("predictions", event.predictions_digest or "", event.rows)
        return Run("predictions", inputs, [predictions], self.window(record.subject, version))

    def _health_verdict(self, record: Record[HealthVerdict], version: str) -> Run:
        # A window may be scored again: a verdict rests on the scoring before it.
        scored = [
            r.event
            for r in self.records
            if isinstance(r.event, WindowScored) and r.subject == record.subject and r.seq < record.seq
        ]
        digest = (scored[-1].predictions_digest or "") if scored else ""
        verdict = self.dataset("health", record.digest)
        return Run("health", [self.dataset("predictions", digest)], [verdict], self.window(record.subject, version))

    def dataset(self, stage: str, version: str, rows: int | None = None) -> Dataset:
        """One of the model's assets as a dataset."""
        found: Dataset = {"namespace": self.namespace, "name": f"{self.model}/{stage}", "facets": {}}
        if version:
            found["facets"]["version"] = self.facet("1-0-0/DatasetVersionDatasetFacet.json", datasetVersion=version)
        if rows is not None:
            count = self.facet("1-0-2/OutputStatisticsOutputDatasetFacet.json", rowCount=rows)
            found["outputFacets"] = {"outputStatistics": count}
        return found

    def source(self, version: str, digest: str = "") -> list[Dataset]:
        """The table that the model reads, as far as its declaration is recorded."""
        declaration = self.declared.get(version)
        if declaration is None:
            return []
        found: Dataset = {"namespace": self.namespace, "name": "/".join(declaration.source.key), "facets": {}}
        if digest:
            found["facets"]["version"] = self.facet("1-0-0/DatasetVersionDatasetFacet.json", datasetVersion=digest)
        return [found]

    def window(self, key: str, version: str) -> dict[str, Any]:
        """Run facets with the stretch of time that a run is about."""
        declaration = self.declared.get(version)
        if declaration is None:
            return {}
        window = window_of_key(key, declaration.monitoring.cadence)
        start, end = (iso(datetime(d.year, d.month, d.day, tzinfo=UTC)) for d in (window.start, window.end))
        return {"nominalTime": self.facet("1-0-1/NominalTimeRunFacet.json", nominalStartTime=start, nominalEndTime=end)}

    def facet(self, schema: str, **values: Any) -> dict[str, Any]:
        """A facet of the specification, with what every facet must carry."""
        kind = schema.rsplit("/", 1)[-1].removesuffix(".json")
        return {"_producer": self.producer, "_schemaURL": f"{FACETS}/{schema}#/$defs/{kind}", **values}


def text_of(found: Sequence[Mapping[str, Any]]) -> str:
    """One event a line, as OpenLineage's file transport writes them."""
    return "".join(json.dumps(event, ensure_ascii=False, sort_keys=True) + "\n" for event in found)
