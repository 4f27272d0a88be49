"""Queries are read; nothing that a declaration can hold changes a database."""

import polars as pl
import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from mlops_assets.datasets.queries import read_query
from mlops_assets.datasets.sources import SourceError, digest_of, scan
from mlops_assets.declaration.source import Source
from mlops_assets.ledger.ledger import Ledger

VARIABLE = "MLOPS_SOURCE_LOANS_URL"


def query(sql: str) -> Source:
    return Source(sql=sql, connection=VARIABLE)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path, monkeypatch) -> str:
    address = (
        f"sqlite:///{tmp_path}/loans.db" if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    )
    address = address.replace("postgresql://", "postgresql+psycopg2://")
    with sa.create_engine(address).begin() as connection:
        connection.execute(sa.text("create table loans (id integer, amount real, at_time varchar(20))"))
        connection.execute(sa.text("insert into loans values (1, 2.5, '09\\:30'), (2, null, '10\\:00')"))
    monkeypatch.setenv(VARIABLE, address)
    return address


def rows(url: str) -> list[tuple]:
    with sa.create_engine(url).connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text("select id, amount from loans order by id"))]


def test_the_rows_are_those_of_the_query(url, tmp_path):
    source = query("-- what is owed\nselect id, amount from loans order by id;")
    assert scan(source, tmp_path).collect().rows() == [(1, 2.5), (2, None)]
    before = digest_of(source, tmp_path)
    with sa.create_engine(url).begin() as connection:
        connection.execute(sa.text("update loans set amount = 3 where id = 2"))
    assert digest_of(source, tmp_path) != before


@pytest.mark.parametrize(
    "sql",
    [
        "select id from loans where at_time = '09:30'",
        "with late as (select * from loans where at_time < '10') select id from late",
        "(select id from loans where id = 1)",
        "select id from loans where replace(at_time, ':', '') = '0930' and 5 % 2 = 1",
        'select id as "delete" from loans where id = 1',
    ],
)
def test_what_a_reader_writes_is_read(url, sql):
    if sql.startswith("(") and url.startswith("sqlite"):
        sql = sql.strip("()")
    assert read_query(query(sql)).collect().to_series().to_list() == [1]


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("drop table loans", "begins with 'drop'"),
        ("DELETE FROM loans; COMMIT; SELECT 1", "3 statements"),
        ("select 1; drop table loans", "2 statements"),
        ("with gone as (delete from loans returning *) select * from gone", "the word DELETE"),
        ("select * into copy_of_loans from loans", "the word INTO"),
        ("pragma query_only = off", "begins with 'pragma'"),
        ("attach database 'x.db' as x", "begins with 'attach'"),
        ("copy loans to program 'true'", "begins with 'copy'"),
        ("explain analyze delete from loans", "begins with 'explain'"),
        (" ; -- nothing", "no statement"),
    ],
)
def test_a_declaration_takes_one_select(sql, found):
    with pytest.raises(ValidationError, match=found) as refused:
        query(sql)
    assert "expected one SELECT" in str(refused.value)


@pytest.mark.parametrize(
    "sql",
    [
        "drop table loans",
        "delete from loans",
        "insert into loans (id) values (3)",
        "create table more (id integer)",
        "with gone as (delete from loans returning *) select * from gone",
    ],
)
def test_the_database_refuses_what_the_declaration_would_have_let_through(url, sql):
    source = query("select 1").model_copy(update={"sql": sql})
    with pytest.raises(SourceError, match="failed"):
        read_query(source)
    assert rows(url) == [(1, 2.5), (2, None)]


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_function_cannot_lift_the_read_only_transaction(url):
    with sa.create_engine(url).begin() as connection:
        connection.execute(
            sa.text(
                "create function empty() returns integer language plpgsql as "
                "$$ begin perform set_config('transaction_read_only', 'off', true); delete from loans; return 1; end $$"
            )
        )
    with pytest.raises(SourceError, match="read-write mode"):
        read_query(query("select empty()"))
    assert rows(url) == [(1, 2.5), (2, None)]


@pytest.mark.parametrize(
    "name", ["MLOPS_LEDGER_URL", "HOME", "mlops_source_x", "MLOPS_SOURCE_", "AWS_SECRET_ACCESS_KEY"]
)
def test_only_variables_of_sources_can_be_named(name):
    with pytest.raises(ValidationError, match="begins with MLOPS_SOURCE_"):
        Source(sql="select 1", connection=name)


def test_the_ledger_is_no_source(tmp_path, monkeypatch):
    address = f"sqlite:///{tmp_path}/ledger.db"
    Ledger(address).close()
    monkeypatch.setenv(VARIABLE, address)
    with pytest.raises(SourceError, match="the database holds the ledger"):
        read_query(query("select * from ledger_records"))


def test_a_database_that_is_missing_is_not_created(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, f"sqlite:///{tmp_path}/none.db")
    with pytest.raises(SourceError, match="unable to open"):
        read_query(query("select 1"))
    assert not (tmp_path / "none.db").exists()


def test_no_message_holds_the_password(monkeypatch, tmp_path):
    with pytest.raises(SourceError, match=f"{VARIABLE} is not set"):
        scan(query("select 1"), tmp_path)
    for address in ("nonsense://user:s3cr3t@host", "postgresql://user:s3cr3t@127.0.0.1:1/none?connect_timeout=1"):
        monkeypatch.setenv(VARIABLE, address)
        with pytest.raises(SourceError) as refused:
            scan(query("select 1"), tmp_path)
        assert "s3cr3t" not in str(refused.value)


def test_an_unknown_table_is_named(url):
    with pytest.raises(SourceError, match="lones"):
        read_query(query("select * from lones"))


def test_numbers_keep_their_type(url):
    frame = read_query(query("select id, amount from loans order by id")).collect()
    assert frame.schema["id"].is_integer()
    assert frame.schema["amount"] == pl.Float64
