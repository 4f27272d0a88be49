"""What the removal of rows changes, and when it counts for nothing."""

from dataclasses import replace

from mlops_assets.ledger.events import privacy
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.acts import FoldContext, NotCounted, require_same, signed
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.state.removals import Removal, place_of


def rows_erased(model: ModelState, record: Record[privacy.RowsErased], context: FoldContext) -> ModelState:
    """Rows of a person that a signed record lists."""
    event = record.event
    signed(context, record, roles=event.ROLES, barred=model.authors_of(None))
    require_same("erasure", event.id, record.subject)
    for found in event.tables:
        if found.removed != len(found.leaves) and found.root is not None:
            raise NotCounted(
                f"{found.table}: it says that {found.removed} rows were erased, and lists {len(found.leaves)}"
            )
    return _removed(model, record, "erasure", event.reason, event.tables)


def rows_expired(model: ModelState, record: Record[privacy.RowsExpired], context: FoldContext) -> ModelState:
    """Tables that a signed record says are past their date under the policy that was in force."""
    event = record.event
    signed(context, record, roles=event.ROLES, barred=model.authors_of(None))
    require_same("day", event.day.isoformat(), record.subject)
    known = {policy.event.policy_digest for policy in model.policies}
    if event.policy_digest not in known:
        raise NotCounted(f"the policy {event.policy_digest[:12]} was never in force for {record.model}")
    return _removed(model, record, "retention", event.reason, event.tables)


def _removed(
    model: ModelState,
    record: Record[privacy.RowsErased] | Record[privacy.RowsExpired],
    cause: str,
    reason: str,
    tables: tuple[privacy.RemovedFrom, ...],
) -> ModelState:
    found = dict(model.removals)
    for table in tables:
        if not table.table.startswith(f"{model.name}/"):
            raise NotCounted(f"{table.table} is no table of {model.name}")
        name = table.root or place_of(table.table, table.window)
        before = found.get(name)
        leaves = frozenset(leaf.leaf for leaf in table.leaves)
        whole = table.removed > len(table.leaves)
        if before is not None:
            leaves |= before.leaves
        found[name] = Removal(
            record.seq, cause, reason, record.recorded_at, table.table, table.window or "",
            before.rows if before else table.rows,
            (before.removed if before else 0) + table.removed if whole or table.root is None else len(leaves),
            table.columns or (before.columns if before else ()),
            frozenset() if whole else leaves,
        )  # fmt: skip
    return replace(model, removals=found)
