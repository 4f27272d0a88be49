"""Reason codes on a card: what was given, how its truth was tested, and what follows from correlated features."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlops_assets.evidence.blocks import Block, Paragraph, Table
from mlops_assets.evidence.reading import NOTHING, leftovers, number, percent, records_of, sentences, table

Codes = Mapping[str, Any]


def reason_code_blocks(codes: Codes, decisions: Sequence[Mapping[str, Any]]) -> list[Block]:
    """What was measured of the reason codes, beside the limits that the gate decided by."""
    blocks: list[Block] = [Paragraph("Reason codes for adverse decisions:"), *sentences(codes.get("reason"))]
    if codes.get("adverse"):
        blocks.append(Paragraph(_given(codes)))
    tests = _tests(codes)
    if tests:
        blocks.append(Table(("Test", "Result", "What it says"), tests, title="Tests of the reasons", numeric=(1,)))
    limits = next((str(d["rule"]) for d in decisions if d.get("gate") == "reason_codes" and d.get("rule")), "")
    if limits:
        blocks.append(Paragraph(f"Limits of the policy: {limits}."))
    blocks += _caveats(codes)
    frequent = codes.get("frequent") or {}
    if frequent:
        # Evidence is stored with its keys in alphabetical order.
        most = sorted(frequent.items(), key=lambda item: (-item[1], item[0]))
        rows = [{"feature": name, "decisions": count} for name, count in most]
        blocks.append(table(rows, title="Most frequent reasons", limit=15))
    examples = _examples(codes)
    if examples:
        blocks.append(table(examples, title="Examples", limit=20))
    return [*blocks, *leftovers(codes, _SHOWN)]


def _given(codes: Codes) -> str:
    text = f"{number(codes.get('explained'))} of {number(codes['adverse'])} adverse decisions that were looked at have reasons"
    if codes.get("codes"):
        text += f": {number(codes['codes'])} in all, at most {number(codes.get('most_codes'))} for one decision"
    return text + "."


def _tests(codes: Codes) -> tuple[tuple[str, str, str], ...]:
    supported = codes["supported"] / codes["tested"] if codes.get("tested") else None
    method = "all sets of factors" if codes.get("shapley_exact") else "orders drawn at random"
    rows = (
        (
            "Removal",
            codes.get("faithful_share"),
            "share of reasons whose factor, replaced by what people have who are alike in everything else and were decided "
            "favourably, lowers the score, and by more than another factor drawn at random",
        ),
        (
            "Shapley values",
            codes.get("shapley_agreement"),
            f"share of reasons that count against the person by their Shapley value too ({method}; mean standard error "
            f"{percent(codes.get('shapley_error'))} of the largest value)",
        ),
        (
            "Shapley values, first reason",
            codes.get("shapley_first"),
            "share of decisions whose first reason has the largest Shapley value, within two standard errors",
        ),
        (
            "Stability",
            codes.get("stable_first"),
            "share of decisions whose first reason stays the first when the reference rows are drawn again",
        ),
        ("Stability, all reasons", codes.get("stable"), "share of all reasons that are given again"),
        (
            "Outcomes",
            supported,
            "share of reasons whose factor helps to tell the outcomes of held-out rows; a model of noise has none",
        ),
    )
    return tuple((name, percent(value), meaning) for name, value, meaning in rows if percent(value) != NOTHING)


def _caveats(codes: Codes) -> list[Block]:
    found: list[Block] = []
    if codes.get("drop") is not None:
        found.append(
            Paragraph(
                f"Replacing a reason's factor lowers the score by {number(codes['drop'])} on average, replacing another factor "
                f"drawn at random by {number(codes.get('random_drop'))} (standard error of the difference "
                f"{number(codes.get('drop_error'))})."
            )
        )
    groups = [", ".join(map(str, group)) for group in codes.get("correlated") or ()]
    if groups:
        found.append(
            Paragraph(
                f"Features that are nearly one (rank correlation of 0.9 or more) give one reason together, named by the one that "
                f"adds most: {'; '.join(groups)}."
            )
        )
    if codes.get("not_supported"):
        names = ", ".join(map(str, codes["not_supported"]))
        text = f"Given as reasons, though outcomes do not show that they help, each by itself: {names}. What other factors imply "
        found.append(Paragraph(text + "in part can be missed."))
    return found


def _examples(codes: Codes) -> list[dict[str, Any]]:
    """One row for each reason of a few decisions."""
    return [
        {"decision": place, "score": one.get("score"), **reason}
        for place, one in enumerate(records_of(codes.get("examples") or [], "example"), start=1)
        for reason in records_of(one.get("reasons") or [])
    ]


_SHOWN = (
    "reason", "examples", "applies", "adverse", "explained", "codes", "most_codes", "faithful", "faithful_share", "coverage",
    "shapley_agreement", "shapley_first", "shapley_error", "shapley_exact", "stable_first", "stable", "tested", "supported",
    "least_share", "drop", "random_drop", "drop_error", "correlated", "not_supported", "frequent",
)  # fmt: skip
