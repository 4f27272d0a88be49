"""A source of a bank's own is declared by name, and what goes wrong in it is a source that cannot be read."""

from dataclasses import replace

import polars as pl
import pytest
import yaml

from mlops_assets.datasets.files import SourceError
from mlops_assets.datasets.sources import deliver, digest_of
from mlops_assets.declaration.source import Source as DeclaredSource
from mlops_assets.extensions import Settings, Source
from mlops_assets.project import DeclarationError, read_declaration
from mlops_assets.registration import code_digest, registered
from mlops_assets_tests.integration.small_project import PARCEL_KIND


class Table(Settings):
    """Which table."""

    table: str
    """Name of the table."""
    rows: int = 3
    """How many rows it has."""


def read(settings: Table, root):
    assert settings.table == "parcels"
    numbers = list(range(settings.rows))
    return pl.DataFrame(
        {"nr": numbers, "length in cm": numbers, "weight": numbers, "kind": ["a", "b", "c"] * (settings.rows // 3)}
    )


OWN = Source("core_banking", Table, read)


def declared(tmp_path, source):
    """The declaration as its file gives it, with another source."""
    content = yaml.safe_load(PARCEL_KIND)
    content["attributes"]["source"] = source
    path = tmp_path / "parcel_kind" / "defs.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return read_declaration(path)


def test_it_delivers_what_it_reads_and_says_by_which_code(tmp_path):
    with registered(OWN):
        found = deliver(declared(tmp_path, {"reader": "core_banking", "settings": {"table": "parcels"}}), tmp_path)
        assert found.rows.collect().height == 3
        assert found.columns == ("nr", "length in cm", "weight", "kind")
        assert f"read by source core_banking, code {code_digest(__name__)}" in found.notes


def test_other_rows_and_other_code_are_other_content(tmp_path, monkeypatch):
    def digest(**settings):
        source = DeclaredSource(reader="core_banking", settings={"table": "parcels", **settings})
        return digest_of(source, tmp_path)

    with registered(OWN):
        first = digest()
        assert digest() == first
        assert digest(rows=6) != first
    with registered(replace(OWN, digest=lambda settings, root: "same")):
        assert digest() == digest(rows=6), "its own digest is believed"
    monkeypatch.setattr("mlops_assets.registration.code_digest", lambda module: "f" * 64)
    with registered(OWN):
        assert digest() != first


def test_two_tables_are_two_places_in_the_lineage():
    with registered(OWN):
        keys = {
            DeclaredSource(reader="core_banking", settings={"table": "parcels", "rows": rows}).key for rows in (3, 6, 3)
        }
    assert len(keys) == 2
    assert all(key[0] == "source" and key[1].startswith("core_banking_") for key in keys)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            {"reader": "core_bankin", "settings": {"table": "parcels"}},
            r":10: source.reader: found 'core_bankin', .*core_banking",
        ),
        ({"reader": "files"}, "expected the name of a registered source of your own"),
        ({"reader": "core_banking", "settings": {"tabel": "parcels"}}, r":\d+: source.settings.tabel: unknown field"),
        (
            {"reader": "core_banking", "settings": {"table": 3}},
            r":\d+: source.settings.table: Input should be a valid string",
        ),
        ({"reader": "core_banking", "path": "x.csv"}, "expected one of them"),
        ({"path": "x.csv", "settings": {"table": "parcels"}}, "settings go with `reader`"),
    ],
)
def test_a_mistake_in_the_declaration_is_named_with_file_and_line(tmp_path, source, expected):
    with registered(OWN), pytest.raises(DeclarationError, match=expected) as refused:
        declared(tmp_path, source)
    assert "defs.yaml:" in str(refused.value)


def raising(settings, root):
    raise TimeoutError("nobody answers")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"read": raising}, "source core_banking: cannot be read (TimeoutError: nobody answers)"),
        ({"read": lambda settings, root: [1, 2]}, "read gave list, expected a polars"),
        ({"read": lambda settings, root: read(settings, root).head(0)}, "no rows"),
        ({"read": lambda settings, root: read(settings, root).lazy().select("x")}, "cannot be read"),
        ({"digest": raising}, "nobody answers"),
        ({"digest": lambda settings, root: None}, "digest gave None, expected a text"),
    ],
)
def test_what_goes_wrong_in_it_is_a_source_that_cannot_be_read(tmp_path, changed, expected):
    source = {"reader": "core_banking", "settings": {"table": "parcels"}}
    with registered(replace(OWN, **changed)):
        made = declared(tmp_path, source)
        with pytest.raises(SourceError) as refused:
            digest_of(made.source, tmp_path) if "digest" in changed else deliver(made, tmp_path)
    assert expected in str(refused.value)
