"""How Alembic runs the ledger's migrations: on the connection, and in the transaction, that the caller holds.

To write a new revision, set `MLOPS_LEDGER_URL` and run
`alembic --config /dev/null` with `script_location` on this folder, or copy the last file in `versions/`; then raise
`ledger_database.HEAD_REVISION`.
"""

from alembic import context

from mlops_assets.stores.ledger_database import VERSION_TABLE, metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, version_table=VERSION_TABLE)
context.run_migrations()
