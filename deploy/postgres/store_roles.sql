-- Databases and owners of MLflow's tracking store and of Dagster's storage. Run once by a superuser:
--   psql -v ON_ERROR_STOP=1 -v mlflow_password=… -v dagster_password=… -f store_roles.sql
-- Each has a database of its own: both keep a table `alembic_version`, and neither may see the other's, or the ledger.

CREATE ROLE mlops_mlflow LOGIN PASSWORD :'mlflow_password';
CREATE ROLE mlops_dagster LOGIN PASSWORD :'dagster_password';

CREATE DATABASE mlops_mlflow OWNER mlops_mlflow ENCODING 'UTF8' TEMPLATE template0;
CREATE DATABASE mlops_dagster OWNER mlops_dagster ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE mlops_mlflow, mlops_dagster FROM PUBLIC;

\connect mlops_mlflow
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO mlops_mlflow;

\connect mlops_dagster
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO mlops_dagster;
