"""The embedded MLflow database: made once, whole or not at all, by one process at a time.

Not here: what is stored in it (`registry.py`), and a database that a bank runs itself.
"""

from pathlib import Path

from mlops_assets.stores.home import Home, be_quiet
from mlops_assets.stores.ledger_database import locked_file
from mlops_assets.stores.registry import Registry, RegistryError, quiet_migrations

SETUP_SECONDS = 300.0


def migrate(home: Home) -> None:
    """Create the embedded MLflow database; one that is there is only connected to.

    MLflow's migration is many transactions: killed between two of them it leaves a database that MLflow refuses for
    ever, and several processes in it at once fail. So one process at a time makes it under another name, and it gets its
    own when it is whole.

    Raises:
        RegistryError: the database was made by another release of MLflow and has to be upgraded.
    """
    if not home.tracking_uri.startswith("sqlite:"):
        return
    from mlflow.exceptions import MlflowException

    be_quiet()
    home.mlflow.mkdir(parents=True, exist_ok=True)
    database = Path(home.tracking_uri.removeprefix("sqlite:///"))
    with locked_file(home.mlflow / ".setup.lock", timeout=SETUP_SECONDS, name="set-up of MLflow's database"):
        if not database.exists():
            from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

            quiet_migrations()
            partial = database.with_name(f"{database.name}.partial")
            partial.unlink(missing_ok=True)
            SqlAlchemyStore(f"sqlite:///{partial}", (home.mlflow / "artifacts").as_uri()).engine.dispose()
            partial.replace(database)
        try:
            Registry(home).client.search_experiments(max_results=1)
        except MlflowException as error:
            raise RegistryError(
                f"MLflow cannot open {database}: {error.message}. Back it up, then run "
                f"`mlflow db upgrade {home.tracking_uri}`"
            ) from error
