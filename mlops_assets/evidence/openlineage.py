"""The lineage of a model as OpenLineage events, for catalogues that other systems fill, too.

Pure: ledger records in, events out (specification 2-0-2, https://openlineage.io/spec/2-0-2/OpenLineage.json). Jobs and
datasets are named as the assets in Dagster are. The ledger records what has ended, so the START that the specification
asks of each run carries the time of its COMPLETE. Nothing is sent anywhere.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version as version_of
from typing import Any

from mlops_assets.datasets.windows import window_of_key
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.ledger import Record

SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACETS = "https://openlineage.io/spec/facets"
NAMESPACE = "mlops_assets"
OWN_FACET = "urn:x-mlops-assets:openlineage:ledger-record/v1"
RUNS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:x-mlops-assets:openlineage:run")

Dataset = dict[str, Any]


def events(
    records: Iterable[Record], model: str, version: str | None = None, namespace: str = NAMESPACE
) -> list[dict[str, Any]]:
    """Events of one model, a START and a COMPLETE a run, in order of recording.

    Args:
        records: of the ledger.
        model: name.
        version: only what made this version, and what it did; None: all versions.
        namespace: of jobs and datasets, to tell projects apart.
    """
    told = _Teller(model, [r for r in records if r.model == model], namespace)
    return [event for record in told.records for event in told.events_of(record, version)]


class _Teller:
    """Knows what the records of a model say about each other."""

    def __init__(self, model: str, records: Sequence[Record], namespace: str) -> None:
        self.model, self.records, self.namespace = model, records, namespace
        self.producer = f"urn:x-mlops-assets:{version_of('mlops_assets')}"
        self.registered = {r.subject: r for r in records if r.kind == "version_registered"}
        self.declared = {
            name: Declaration.model_validate(r.body["declaration"])
            for name, r in self.registered.items()
            if r.body.get("declaration")
        }
        self.decisions: dict[str, dict[str, Record]] = {}
        for record in records:
            if record.kind == "gate_decision":
                self.decisions.setdefault(record.subject, {})[str(record.body["gate"])] = record

    def events_of(self, record: Record, version: str | None) -> Iterator[dict[str, Any]]:
        """START and COMPLETE of the run that ended with this record; nothing for records that are no run."""
        teller = getattr(self, f"_{record.kind}", None)
        concerned = self.version_of(record)
        if teller is None or concerned is None or version not in (None, concerned):
            return
        declaration = self.declared.get(concerned)
        stage, inputs, outputs, facets = teller(record, concerned, declaration)
        job: dict[str, Any] = {"namespace": self.namespace, "name": f"{self.model}.{stage}"}
        if declaration is not None:
            owners = self.facet("1-0-0/OwnershipJobFacet.json", owners=[{"name": declaration.owner, "type": "OWNER"}])
            text = self.facet("1-0-0/DocumentationJobFacet.json", description=declaration.purpose)
            job["facets"] = {"ownership": owners, "documentation": text}
        ledger = {"_producer": self.producer, "_schemaURL": OWN_FACET}
        ledger |= {"seq": record.seq, "kind": record.kind, "digest": record.digest}
        run = {"runId": str(uuid.uuid5(RUNS, record.digest)), "facets": {"mlops_assets_ledgerRecord": ledger, **facets}}
        common = {
            "eventTime": iso(record.recorded_at),
            "producer": self.producer,
            "schemaURL": SCHEMA,
            "run": run,
            "job": job,
            "inputs": inputs,
        }
        yield {"eventType": "START", **common, "outputs": []}
        yield {"eventType": "COMPLETE", **common, "outputs": outputs}

    def version_of(self, record: Record) -> str | None:
        """The version that a record is about; of a snapshot, the first one that was trained on it afterwards."""
        if record.kind == "snapshot_taken":
            trained = (r for r in self.registered.values() if r.body.get("data_digest") == record.subject)
            return next((r.subject for r in trained if r.seq > record.seq), None)
        if record.kind in ("version_registered", "promotion"):
            return record.subject
        named = record.body.get("version")
        return None if named is None else str(named)

    def _snapshot_taken(self, record: Record, version: str, declaration: Declaration | None) -> tuple[Any, ...]:
        rows = record.body.get("rows")
        table = self.dataset("training_data", record.subject, rows)
        if declaration is not None:
            fields = [
                {"name": name, "type": feature.role.value, "description": feature.description}
                for name, feature in declaration.features.items()
            ]
            table["facets"]["schema"] = self.facet("1-0-0/SchemaDatasetFacet.json", fields=fields)
        return "training_data", self.source(declaration), [table], {}

    def _version_registered(self, record: Record, version: str, declaration: Declaration | None) -> tuple[Any, ...]:
        rows = self.dataset("training_data", str(record.body.get("data_digest", "")))
        return "challenger", [rows], [self.dataset("challenger", version)], {}

    def _promotion(self, record: Record, version: str, declaration: Declaration | None) -> tuple[Any, ...]:
        candidate = self.dataset("challenger", version)
        decided = [
            {"assertion": gate, "success": r.body.get("outcome") == "passed"}
            for gate, r in self.decisions.get(version, {}).items()
            if r.seq < record.seq
        ]
        if decided:
            checks = self.facet("1-0-1/DataQualityAssertionsDatasetFacet.json", assertions=decided)
            candidate["inputFacets"] = {"dataQualityAssertions": checks}
        return "champion", [candidate], [self.dataset("champion", version)], {}

    def _window_scored(self, record: Record, version: str, declaration: Declaration | None) -> tuple[Any, ...]:
        body = record.body
        inputs = [*self.source(declaration, str(body.get("source_digest") or "")), self.dataset("champion", version)]
        said = self.dataset("predictions", str(body.get("predictions_digest", "")), body.get("rows"))
        return "predictions", inputs, [said], self.window(record.subject, declaration)

    def _health_verdict(self, record: Record, version: str, declaration: Declaration | None) -> tuple[Any, ...]:
        # A window may be scored again: a verdict rests on the scoring before it.
        scored = [
            r for r in self.records if r.kind == "window_scored" and r.subject == record.subject and r.seq < record.seq
        ]
        digest = str(scored[-1].body.get("predictions_digest", "")) if scored else ""
        verdict = self.dataset("health", record.digest)
        return "health", [self.dataset("predictions", digest)], [verdict], self.window(record.subject, declaration)

    def dataset(self, stage: str, version: str, rows: int | None = None) -> Dataset:
        """One of the model's assets as a dataset."""
        found: Dataset = {"namespace": self.namespace, "name": f"{self.model}/{stage}", "facets": {}}
        if version:
            found["facets"]["version"] = self.facet("1-0-0/DatasetVersionDatasetFacet.json", datasetVersion=version)
        if rows is not None:
            count = self.facet("1-0-2/OutputStatisticsOutputDatasetFacet.json", rowCount=rows)
            found["outputFacets"] = {"outputStatistics": count}
        return found

    def source(self, declaration: Declaration | None, digest: str = "") -> list[Dataset]:
        """The table that the model reads, as far as its declaration is recorded."""
        if declaration is None:
            return []
        found: Dataset = {"namespace": self.namespace, "name": "/".join(declaration.source.key), "facets": {}}
        if digest:
            found["facets"]["version"] = self.facet("1-0-0/DatasetVersionDatasetFacet.json", datasetVersion=digest)
        return [found]

    def window(self, key: str, declaration: Declaration | None) -> dict[str, Any]:
        """Run facets that say which stretch of time a run is about."""
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
    import json

    return "".join(json.dumps(event, ensure_ascii=False, sort_keys=True) + "\n" for event in found)
