"""A bill of materials of the environment: CycloneDX 1.7 (https://cyclonedx.org/docs/1.7/json/), as a plain dict.

It holds no time and no random number: the same environment gives the same bytes, so that its digest says whether the
environment is the same.
"""

import json
import platform
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from mlops_assets.evaluation.software.installed import Component
from mlops_assets.evaluation.software.lock import Pin
from mlops_assets.gates.licences import UNKNOWN, is_expression

_NAMESPACE = uuid.UUID("2b7c5b3e-7d0c-5c0e-8a56-0f8a4c1d9e21")
ROOT = "environment"


def bill_of_materials(components: Iterable[Component], pins: Mapping[str, Pin] | None = None) -> dict[str, Any]:
    """The environment as a bill of materials.

    Args:
        components: installed packages.
        pins: the lock. Where it names exactly one file for a package, its digest is the package's; where it names
            several (a wheel a platform), which of them was installed is not known, and no digest is given.
    """
    found = sorted(components, key=lambda c: c.key)
    present = {c.key: c.purl for c in found}
    python = {
        "type": "platform",
        "bom-ref": "python",
        "name": platform.python_implementation(),
        "version": platform.python_version(),
    }
    packages = [_entry(c, (pins or {}).get(c.key)) for c in found]
    edges = [{"ref": c.purl, "dependsOn": [present[n] for n in c.requires if n in present]} for c in found]
    needed = {name for c in found for name in c.requires}
    top = [c.purl for c in found if c.key not in needed]
    content: dict[str, Any] = {
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "mlops_assets"}]},
            "component": {"type": "application", "bom-ref": ROOT, "name": "training environment"},
        },
        "components": [python, *packages],
        "dependencies": [
            {"ref": ROOT, "dependsOn": ["python", *top]},
            {"ref": "python"},
            *({k: v for k, v in edge.items() if v} for edge in edges),
        ],
    }
    name = json.dumps(content, sort_keys=True)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.7.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.7",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, name)}",
        "version": 1,
        **content,
    }


def _entry(component: Component, pin: Pin | None) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "type": "library",
        "bom-ref": component.purl,
        "name": component.name,
        "version": component.version,
        "purl": component.purl,
    }
    if pin is not None and pin.version == component.version and len(pin.hashes) == 1:
        entry["hashes"] = [{"alg": "SHA-256", "content": pin.hashes[0].removeprefix("sha256:")}]
    if component.licence and component.licence != UNKNOWN:
        written = component.licence
        entry["licenses"] = [{"expression": written} if is_expression(written) else {"license": {"name": written}}]
    properties = []
    if component.record:
        properties.append({"name": "mlops-assets:record-sha256", "value": component.record})
    if component.local:
        properties.append({"name": "mlops-assets:installed-from", "value": "folder"})
    if properties:
        entry["properties"] = properties
    return entry
