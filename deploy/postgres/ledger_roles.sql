-- Roles and rights of the ledger's database. Run once by a superuser:
--   psql -v ON_ERROR_STOP=1 -v owner_password=… -v writer_password=… -v reader_password=… -f ledger_roles.sql
-- Owner: migrates, and does nothing else. Writer: what Dagster and `mlops` connect as; may read and append. Reader: an
-- examiner. Nobody but the owner (and a superuser) could switch the refusing triggers off, and `mlops verify` says so.

CREATE ROLE mlops_ledger_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE mlops_ledger_writer LOGIN PASSWORD :'writer_password';
CREATE ROLE mlops_ledger_reader LOGIN PASSWORD :'reader_password';

CREATE DATABASE mlops_ledger OWNER mlops_ledger_owner ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE mlops_ledger FROM PUBLIC;
GRANT CONNECT ON DATABASE mlops_ledger TO mlops_ledger_writer, mlops_ledger_reader;

\connect mlops_ledger
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO mlops_ledger_owner;
GRANT USAGE ON SCHEMA public TO mlops_ledger_writer, mlops_ledger_reader;

-- For the tables that the owner's migration will create, now and later.
ALTER DEFAULT PRIVILEGES FOR ROLE mlops_ledger_owner IN SCHEMA public GRANT SELECT, INSERT ON TABLES TO mlops_ledger_writer;
ALTER DEFAULT PRIVILEGES FOR ROLE mlops_ledger_owner IN SCHEMA public GRANT SELECT ON TABLES TO mlops_ledger_reader;

-- Then migrate once as the owner, so that the writer finds everything in place:
--   python -c "from mlops_assets.ledger.ledger import Ledger; Ledger('postgresql+psycopg2://mlops_ledger_owner:…@HOST/mlops_ledger')"
