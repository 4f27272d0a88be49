"""The card as a CycloneDX 1.7 ML-BOM (https://cyclonedx.org/docs/1.7/json/): the model with its `modelCard`, the data
it was trained on, and the packages it runs with.

Built as plain dicts: the object model of cyclonedx-python-lib does not know `modelCard` and drops it silently. Its
schema validator checks what is written, where it is installed.
"""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from mlops_assets.declaration.terms import Task
from mlops_assets.evidence.blocks import Figure
from mlops_assets.evidence.card.card import Card
from mlops_assets.evidence.reading import estimate, first, label, records_of
from mlops_assets.ledger.canonical import iso, plain

TASKS = {Task.BINARY: "classification", Task.MULTICLASS: "classification", Task.REGRESSION: "regression"}
_NAMESPACE = uuid.UUID("6f1c2f0a-5d0b-5f58-9a51-6f0e3f8f3f6e")


def bom(card: Card) -> dict[str, Any]:
    """The BOM as a dict; its serial number is derived from the card's digest, so that equal cards give equal BOMs."""
    inputs = card.inputs
    model_ref = f"model:{card.model}@{card.version}"
    packages = _packages(inputs.environment)
    data = _data(card)
    model: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": model_ref,
        "name": card.model,
        "version": card.version,
        "description": inputs.declaration.purpose,
        "modelCard": _model_card(card),
    }
    artifact = (inputs.digests or {}).get("artifact")
    if artifact:
        model["hashes"] = [{"alg": "SHA-256", "content": artifact}]
    refs = [data["bom-ref"], *(p["bom-ref"] for p in packages)]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.7.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.7",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, card.digest)}",
        "version": 1,
        "metadata": {
            "timestamp": iso(card.issued_at),
            "tools": {"components": [{"type": "application", "name": "mlops_assets"}]},
            "component": model,
            "properties": [{"name": "mlops-assets:card-digest", "value": card.digest}],
        },
        "components": [data, *packages],
        "dependencies": [{"ref": model_ref, "dependsOn": refs}, *({"ref": r} for r in refs)],
    }


def bom_json(card: Card) -> str:
    """The BOM as JSON text."""
    return json.dumps(bom(card), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def schema_errors(text: str) -> list[str]:
    """What the CycloneDX 1.7 JSON schema finds wrong with a BOM; the first error first, [] when it is valid.

    Raises:
        ImportError: cyclonedx-python-lib[validation] is not installed.
    """
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    error = JsonStrictValidator(SchemaVersion.V1_7).validate_str(text)
    return [] if error is None else [str(error)]


def _model_card(card: Card) -> dict[str, Any]:
    inputs, d = card.inputs, card.inputs.declaration
    parameters: dict[str, Any] = {
        "approach": {"type": "supervised"},
        "task": TASKS[d.task],
        "datasets": [{"ref": f"data:{card.model}@{card.version}"}],
        "inputs": [{"format": f"{name}: {feature.role.value}"} for name, feature in d.features.items()],
        "outputs": [{"format": "probability" if d.task is not Task.REGRESSION else "number"}],
    }
    if inputs.algorithm:
        parameters["architectureFamily"] = inputs.algorithm
    considerations: dict[str, Any] = {"useCases": [d.purpose, *([d.intended_use] if d.intended_use else [])]}
    limits = [*d.card.limitations, *d.card.simplifications, *(f"Out of scope: {o}" for o in d.card.out_of_scope)]
    if limits:
        considerations["technicalLimitations"] = limits
    if d.card.ethical_considerations:
        considerations["ethicalConsiderations"] = [{"name": text} for text in d.card.ethical_considerations]
    if d.protected:
        considerations["fairnessAssessments"] = [_fairness(p.column, p.basis, inputs.fairness) for p in d.protected]
    result: dict[str, Any] = {"modelParameters": parameters, "considerations": considerations}
    metrics = _metrics(inputs.performance, inputs.slices)
    graphics = [_graphic(b) for s in card.sections for b in s.blocks if isinstance(b, Figure)]
    if metrics or graphics:
        result["quantitativeAnalysis"] = {
            **({"performanceMetrics": metrics} if metrics else {}),
            **({"graphics": {"collection": graphics}} if graphics else {}),
        }
    result["properties"] = [
        {"name": "mlops-assets:tier", "value": d.tier.value},
        {"name": "mlops-assets:owner", "value": d.owner},
        {"name": "mlops-assets:evidence-missing", "value": ", ".join(card.missing) or "none"},
        *(
            {"name": f"mlops-assets:gate:{x.get('gate')}", "value": str(x.get("outcome"))}
            for x in plain(inputs.decisions or ())
        ),
    ]
    return result


def _metrics(performance: Mapping[str, Any] | None, slices: Any) -> list[dict[str, Any]]:
    found = [_metric(name, value) for name, value in ((performance or {}).get("metrics") or {}).items()]
    evidence = slices if isinstance(slices, Mapping) else {"slices": slices or []}
    metric = str(evidence.get("metric") or (performance or {}).get("main_metric") or "metric")
    for row in records_of(evidence.get("slices") or evidence.get("declared") or [], "slice"):
        name = " = ".join(str(row[k]) for k in ("slice", "column", "name", "level", "group") if row.get(k) is not None)
        found.append(_metric(metric, row, name))
    return [m for m in found if m is not None]


def _metric(name: str, value: Any, part: str = "") -> dict[str, Any] | None:
    found = estimate(value)
    if found is None:
        return None
    metric: dict[str, Any] = {"type": name, "value": repr(found.value)}
    if part:
        metric["slice"] = part
    if found.low is not None and found.high is not None:
        metric["confidenceInterval"] = {"lowerBound": repr(found.low), "upperBound": repr(found.high)}
    return metric


def _fairness(column: str, basis: str, fairness: Any) -> dict[str, str]:
    attributes = (
        records_of((fairness or {}).get("attributes") or [], "attribute") if isinstance(fairness, Mapping) else []
    )
    reason = next((a.get("reason") for a in attributes if first(a, "attribute", "name", "column") == column), None)
    return {
        "groupAtRisk": f"groups of {column}" + (f" ({basis})" if basis else ""),
        "harms": str(reason) if reason else "Not stated: see the card's section on fairness.",
    }


def _graphic(figure: Figure) -> dict[str, Any]:
    return {"name": figure.title, "image": {"contentType": "image/svg+xml", "content": figure.svg}}


def _data(card: Card) -> dict[str, Any]:
    d, snapshot = card.inputs.declaration, card.inputs.snapshot or {}
    properties = [
        {"name": f"mlops-assets:{key}", "value": str(plain(snapshot[key]))}
        for key in ("rows", "quarantined", "since", "until", "delta_version", "data_digest")
        if snapshot.get(key) is not None
    ]
    contents: dict[str, Any] = {"properties": properties} if properties else {}
    component: dict[str, Any] = {
        "type": "data",
        "bom-ref": f"data:{card.model}@{card.version}",
        "name": "/".join(d.source.key),
        "description": f"Training data of {card.model}, version {card.version}",
        "data": [{"type": "dataset", "name": label(d.source.key[-1]), **({"contents": contents} if contents else {})}],
    }
    protected = [p.column for p in d.protected]
    if protected:
        component["data"][0]["sensitiveData"] = protected
    # The digest is over canonical rows, not over a file, so it is a property and no `hashes` entry.
    return component


def _packages(environment: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    packages = (environment or {}).get("packages")
    if not isinstance(packages, Mapping):
        return []
    found = []
    for name, version in sorted(packages.items()):
        purl = f"pkg:pypi/{str(name).lower().replace('_', '-')}@{version}"
        found.append({"type": "library", "bom-ref": purl, "name": str(name), "version": str(version), "purl": purl})
    return found
