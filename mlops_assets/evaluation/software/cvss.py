"""Severity of a vulnerability from its CVSS 3 vector (FIRST, Common Vulnerability Scoring System 3.1, section 7)."""

import math
from collections.abc import Mapping

LEVELS = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low"), (0.0, "none"))
"""Qualitative scale of section 5: a level begins at its score."""

_WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "UI": {"N": 0.85, "R": 0.62},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
_PRIVILEGES = {"U": {"N": 0.85, "L": 0.62, "H": 0.27}, "C": {"N": 0.85, "L": 0.68, "H": 0.5}}


def base_score(vector: str) -> float:
    """Base score of a `CVSS:3.x/…` vector, from 0 to 10.

    Raises:
        ValueError: the vector is of another version, or has no value for a base metric.
    """
    if not vector.startswith(("CVSS:3.0/", "CVSS:3.1/")):
        raise ValueError(f"found {vector[:40]!r}, expected a vector that begins with CVSS:3.0/ or CVSS:3.1/")
    metrics: dict[str, str] = {p.partition(":")[0]: p.partition(":")[2] for p in vector.split("/")[1:]}
    try:
        changed = {"U": False, "C": True}[metrics["S"]]
        weight = {name: table[metrics[name]] for name, table in _WEIGHTS.items()}
        privileges = _PRIVILEGES[metrics["S"]][metrics["PR"]]
    except KeyError as error:
        raise ValueError(f"found {vector!r}, in which base metric {error} is missing or unknown") from error
    unharmed = (1 - weight["C"]) * (1 - weight["I"]) * (1 - weight["A"])
    loss = 1 - unharmed
    impact = 7.52 * (loss - 0.029) - 3.25 * (loss - 0.02) ** 15 if changed else 6.42 * loss
    if impact <= 0:
        return 0.0
    exploitability = 8.22 * weight["AV"] * weight["AC"] * privileges * weight["UI"]
    return _rounded_up(min((1.08 if changed else 1.0) * (impact + exploitability), 10.0))


def level(score: float) -> str:
    """The word for a score."""
    return next(word for least, word in LEVELS if score >= least)


def _rounded_up(value: float) -> float:
    """To one decimal, upwards, without the noise of binary fractions (appendix A of the specification)."""
    whole = round(value * 100_000)
    return whole / 100_000 if whole % 10_000 == 0 else (math.floor(whole / 10_000) + 1) / 10
