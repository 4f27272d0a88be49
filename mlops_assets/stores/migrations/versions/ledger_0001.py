"""The ledger's first schema: records, signed heads, and the triggers that refuse every change but an append.

A revision is history: what it creates is written out here and does not follow later changes of the code.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE ledger_records (
        seq BIGINT NOT NULL PRIMARY KEY,
        kind TEXT NOT NULL,
        model TEXT NOT NULL,
        subject TEXT NOT NULL,
        happened_at TEXT NOT NULL,
        recorded_at TEXT NOT NULL,
        key TEXT UNIQUE,
        body TEXT NOT NULL,
        previous TEXT NOT NULL,
        digest TEXT NOT NULL
    )
    """,
    "CREATE INDEX ledger_records_model_kind ON ledger_records (model, kind, seq)",
    "CREATE INDEX ledger_records_kind_subject ON ledger_records (kind, subject, seq)",
    """
    CREATE TABLE ledger_heads (
        seq BIGINT NOT NULL PRIMARY KEY,
        digest TEXT NOT NULL,
        key_id TEXT NOT NULL,
        signature TEXT NOT NULL
    )
    """,
)


def _sqlite_guards() -> list[str]:
    statements = []
    for table in ("ledger_records", "ledger_heads"):
        statements += [
            f"CREATE TRIGGER {table}_refuse_{operation.lower()} BEFORE {operation} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: {operation} refused'); END"
            for operation in ("UPDATE", "DELETE")
        ]
    # INSERT OR REPLACE deletes the row it collides with without firing a delete trigger: a collision is refused first.
    statements += [
        "CREATE TRIGGER ledger_records_refuse_disorder BEFORE INSERT ON ledger_records "
        "WHEN NEW.seq <> (SELECT COALESCE(MAX(seq), 0) + 1 FROM ledger_records) "
        "OR EXISTS (SELECT 1 FROM ledger_records WHERE key = NEW.key) "
        "OR NEW.previous <> COALESCE((SELECT digest FROM ledger_records ORDER BY seq DESC LIMIT 1), NEW.previous) "
        "BEGIN SELECT RAISE(ABORT, 'ledger_records is append-only: a record can only follow the last one'); END",
        "CREATE TRIGGER ledger_heads_refuse_disorder BEFORE INSERT ON ledger_heads "
        "WHEN NEW.seq <= (SELECT COALESCE(MAX(seq), 0) FROM ledger_heads) "
        "BEGIN SELECT RAISE(ABORT, 'ledger_heads is append-only: a head can only follow the last one'); END",
    ]
    return statements


def _postgresql_guards() -> list[str]:
    statements = [
        """
        CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP;
        END $$
        """,
        """
        CREATE FUNCTION ledger_refuse_disorder() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            last_seq BIGINT;
            last_digest TEXT;
        BEGIN
            IF TG_TABLE_NAME = 'ledger_heads' THEN
                SELECT seq INTO last_seq FROM ledger_heads ORDER BY seq DESC LIMIT 1;
                IF NEW.seq <= COALESCE(last_seq, 0) THEN
                    RAISE EXCEPTION 'ledger_heads is append-only: a head can only follow the last one';
                END IF;
                RETURN NEW;
            END IF;
            SELECT seq, digest INTO last_seq, last_digest FROM ledger_records ORDER BY seq DESC LIMIT 1;
            IF NEW.seq <> COALESCE(last_seq, 0) + 1 OR NEW.previous <> COALESCE(last_digest, NEW.previous) THEN
                RAISE EXCEPTION 'ledger_records is append-only: a record can only follow the last one';
            END IF;
            RETURN NEW;
        END $$
        """,
    ]
    for table in ("ledger_records", "ledger_heads"):
        statements += [
            f"CREATE TRIGGER {table}_refuse_change BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change()",
            f"CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()",
            f"CREATE TRIGGER {table}_refuse_disorder BEFORE INSERT ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION ledger_refuse_disorder()",
            # ALWAYS: also where session_replication_role would silence ordinary triggers.
            *(
                f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_refuse_{name}"
                for name in ("change", "truncate", "disorder")
            ),
        ]
    return statements


def upgrade() -> None:
    """Create tables and guards."""
    guards = _postgresql_guards() if op.get_bind().dialect.name == "postgresql" else _sqlite_guards()
    for statement in (*TABLES, *guards):
        op.execute(statement)


def downgrade() -> None:
    """Refused: there is nothing before the ledger to go back to without losing its records."""
    raise RuntimeError("the ledger is append-only and has no earlier schema; start a new database instead")
