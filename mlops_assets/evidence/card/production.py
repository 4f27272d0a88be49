"""The sections of a card on stability of the training, cost, and software, from what the gates of these names measured.

Not here: the gates themselves.
"""

from collections.abc import Mapping
from typing import Any

from mlops_assets.evidence.blocks import Block, Facts, Missing, Paragraph
from mlops_assets.evidence.card.card import CardInputs
from mlops_assets.evidence.reading import NOTHING, day, label, number, percent, short, table


def stability(inputs: CardInputs) -> list[Block] | str:
    """Variation between fits with other seeds and resamples."""
    found = _measured(inputs, "stability")
    if not isinstance(found, Mapping):
        return found
    metric = label(str(found["metric"]))
    rows = [
        {
            "over": kind,
            "fits": len([v for v in found[kind]["values"] if v is not None]),
            "spread": (found.get("spreads") or {}).get(kind),
            "lowest": min((v for v in found[kind]["values"] if v is not None), default=None),
            "highest": max((v for v in found[kind]["values"] if v is not None), default=None),
            "churn": None if found[kind].get("churn") is None else percent(found[kind]["churn"]),
        }
        for kind in ("seeds", "resamples")
    ]
    columns = (
        ("over", "Varied"),
        ("fits", "Fits"),
        ("spread", f"Standard deviation of {metric}"),
        ("lowest", "Lowest"),
        ("highest", "Highest"),
        ("churn", "Decisions that differ between two fits"),
    )
    text = "The chosen candidate was fitted again on a bounded sample of the rows; the version itself is fitted on more rows."
    return [Paragraph(text), table(rows, columns)]


def cost(inputs: CardInputs) -> list[Block] | str:
    """Time, memory and disk space of the version, and the machine they were measured on."""
    found = _measured(inputs, "cost")
    if not isinstance(found, Mapping):
        return found
    facts = (
        ("Seconds to score a million rows", number(found.get("seconds_per_million"))),
        ("MB in memory", number(found.get("memory_megabytes"))),
        ("MB on disk", number(found.get("disk_megabytes"))),
        ("Measured on", str(found.get("machine") or NOTHING)),
    )
    return [Facts(facts), Paragraph("Times depend on the machine and its load.", tone="muted")]


def software(inputs: CardInputs) -> list[Block] | str:
    """Packages, licences, known vulnerabilities, and agreement of installed with pinned versions."""
    found = _measured(inputs, "artifact")
    if not isinstance(found, Mapping):
        return found
    licences: Mapping[str, Any] = found.get("licences") or {}
    advisories: Mapping[str, Any] = found.get("advisories") or {}
    facts = [
        ("Bill of materials (CycloneDX 1.7)", short(found.get("sbom"), 16)),
        ("Packages", number(sum(len(packages) for packages in licences.values()))),
        ("Pinned", _pinned(found.get("lock"))),
        ("Known vulnerabilities", _checked(found.get("advisories"))),
    ]
    blocks: list[Block] = [Facts(tuple(facts))]
    if advisories.get("vulnerabilities"):
        names = ("id", "package", "version", "severity", "fixed", "note")
        columns = tuple((name, label(name)) for name in names)
        rows = [{name: v.get(name) for name in names} for v in advisories["vulnerabilities"]]
        blocks.append(table(rows, columns, title="Known vulnerabilities"))
    grouped = sorted(licences.items(), key=lambda item: (-len(item[1]), item[0]))
    rows = [{"licence": licence, "packages": len(names)} for licence, names in grouped]
    if rows:
        blocks.append(table(rows, (("licence", "Licence"), ("packages", "Packages")), title="Licences", limit=40))
    return blocks


def _measured(inputs: CardInputs, gate: str) -> Mapping[str, Any] | list[Block] | str:
    """The measurements of the gate's latest decision, or the section that says why there are none."""
    if inputs.decisions is None:
        return [Missing(f"decision of the gate {gate}")]
    decided = [d for d in inputs.decisions if d.get("gate") == gate and (d.get("details") or {}).get("measured")]
    if not decided:
        return f"The gate {gate} has not decided on this version."
    details = decided[-1]["details"]
    return {**details["measured"], **{k: v for k, v in details.items() if k != "measured"}}


def _pinned(lock: Mapping[str, Any] | None) -> str:
    if lock is None:
        return "not compared: there is no lock"
    if lock.get("error"):
        return f"not compared: {lock['error']}"
    parts = [f"{number(lock['pinned'])} as in {lock['source']}"]
    parts += [f"not as pinned: {', '.join(lock['different'])}"] if lock["different"] else []
    parts += [f"not pinned: {', '.join(lock['unpinned'])}"] if lock["unpinned"] else []
    return "; ".join(parts)


def _checked(advisories: Mapping[str, Any] | None) -> str:
    if advisories is None:
        return "not checked: no advisory file was supplied"
    if advisories.get("error"):
        return f"not checked: {advisories['error']}"
    gaps = f", {number(len(advisories['unchecked']))} packages not covered" if advisories["unchecked"] else ""
    found = len(advisories["vulnerabilities"])
    return f"{number(found)} in {advisories['source']} as of {day(advisories['as_of'])}{gaps}"
