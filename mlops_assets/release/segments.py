"""Pausing a model for a segment of its rows alone: signed, recorded, and in force at the next row that is scored.

As with a whole model, anybody who is enrolled for it may pause; to let it decide again is not open to those who built it, and
the policy's signatures for a suspension and a resumption hold for a segment, too. A pause belongs to the model: it outlives a
change of champion. Which rows are in a segment is `governance.segments`'; that they get no decision is the scoring's.
"""

from collections.abc import Iterable

import polars as pl

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Role
from mlops_assets.governance.segments import Segment, SegmentError, columns_of, inside, read_segment, values_of, written
from mlops_assets.ledger.events.champion import SegmentPaused, SegmentResumed
from mlops_assets.ledger.keys import PublicKey, SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.champion import Pause
from mlops_assets.release.champion import champion_state, lock_name
from mlops_assets.release.interventions import InterventionRefused, intervene
from mlops_assets.release.registry import Registry


def pause(
    ledger: Ledger,
    registry: Registry,
    declaration: Declaration,
    where: str,
    key: SigningKey,
    rationale: str,
    *,
    root: PublicKey | None = None,
) -> Record:
    """Let no version decide about the rows of a segment, until it is resumed.

    Args:
        ledger: to write to.
        registry: of the model.
        declaration: of the model; the segment may name its columns only.
        where: the segment, such as `state == 'TX'`.
        key: of anybody enrolled for the model.
        rationale: why, in a sentence.
        root: root key, when known from outside the ledger.

    Raises:
        SegmentError: it is no segment, or names a column or value that the declaration does not know.
        InterventionRefused: the model has no champion, or the segment is paused already.
        NotAllowed: the key is not enrolled, or not for this model.
    """
    text, model = checked(where, declaration), declaration.name
    with ledger.lock(lock_name(model)):
        known = ledger.state(root=root).model(model)
        now = champion_state(ledger, model)
        if now.champion is None or now.status == "retired":
            found = "has no champion" if now.champion is None else "is retired"
            raise InterventionRefused(f"{model} {found}, so there is nothing to pause")
        if (open_one := known.pauses.get(text)) is not None:
            raise InterventionRefused(f"{model}: rows where {text} are paused since record {open_one.seq}")
        return intervene(ledger, registry, now, SegmentPaused, text, key, rationale, about={"where": text}, root=root)


def resume(
    ledger: Ledger,
    registry: Registry,
    model: str,
    where: str,
    key: SigningKey,
    rationale: str,
    *,
    root: PublicKey | None = None,
) -> Record:
    """Let versions decide again about the rows of a paused segment; not for those who built the champion.

    Raises:
        SegmentError: it is no segment.
        InterventionRefused: the segment is not paused.
        NotAllowed: the key is not enrolled, not for this model, or an author's.
    """
    text = written(read_segment(where))
    with ledger.lock(lock_name(model)):
        known = ledger.state(root=root).model(model)
        open_one = known.pauses.get(text)
        if open_one is None:
            paused = "; ".join(known.pauses) or "none"
            raise InterventionRefused(f"{model}: rows where {text} are not paused; paused are: {paused}")
        now = champion_state(ledger, model)
        barred = known.authors_of(now.champion)
        about = {"where": text, "pause": open_one.seq}
        return intervene(
            ledger, registry, now, SegmentResumed, text, key, rationale, about=about, barred=barred, root=root
        )


def checked(where: str, declaration: Declaration) -> str:
    """A segment as it is recorded, after every column and value in it was held against the declaration.

    Raises:
        SegmentError: it is no segment, or a column or value is not one of the declaration's.
    """
    segment, known = read_segment(where), declared_columns(declaration)
    unknown = [name for name in columns_of(segment) if name not in known]
    if unknown:
        raise SegmentError(f"segment: found column {unknown[0]!r}, expected one of {', '.join(known)}")
    types = {name: _type_of(declaration, segment, name) for name in columns_of(segment)}
    inside(pl.DataFrame(schema=types), segment)
    return written(segment)


def declared_columns(declaration: Declaration) -> tuple[str, ...]:
    """Columns that a segment may name: features, protected attributes, slices and the identifier."""
    others = [one.column for one in (*declaration.protected, *declaration.slices)]
    return tuple(dict.fromkeys([*declaration.features, *others, declaration.id]))


def _type_of(declaration: Declaration, segment: Segment, column: str) -> pl.DataType:
    """The type that a column has when it is scored; where the declaration leaves that open, the one that its values have."""
    feature = declaration.features.get(column)
    if feature is not None and feature.role in (Role.NUMERIC, Role.DATE):
        return pl.Float64() if feature.role is Role.NUMERIC else pl.Date()
    if feature is not None and feature.role is Role.CATEGORICAL:
        return pl.String()
    numbers = all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values_of(segment, column)
    )
    return pl.Float64() if numbers else pl.String()


def paused_rows(rows: pl.DataFrame, pauses: Iterable[Pause]) -> pl.Series:
    """For each row the number of the first record that paused a segment which it is in; null where none did.

    Raises:
        SegmentError: a segment's column is not delivered: then nobody can say which rows are in it, and nothing may be scored.
    """
    found = pl.Series("paused", [None] * rows.height, dtype=pl.Int64)
    for one in sorted(pauses, key=lambda pause: pause.seq, reverse=True):
        here = inside(rows, read_segment(one.where))
        found = pl.select(pl.when(here).then(pl.lit(one.seq, dtype=pl.Int64)).otherwise(found)).to_series()
    return found.alias("paused")
