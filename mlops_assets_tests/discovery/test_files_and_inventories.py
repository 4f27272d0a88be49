"""Model files of other formats, and the inventory that a bank already keeps."""

import gzip
import json
import os
from pathlib import Path

import pytest

from mlops_assets.discovery.inventory_file import InventoryUnreadable, entries
from mlops_assets.discovery.search import discover

PMML = """<?xml version="1.0"?><PMML version="4.4"><DataDictionary>
<DataField name="income" optype="continuous"/><DataField name="region" optype="categorical"/><DataField name="y" optype="continuous"/>
</DataDictionary><RegressionModel modelName="loss" functionName="regression"><MiningSchema><MiningField name="income"/>
<MiningField name="region"/><MiningField name="y" usageType="target"/></MiningSchema></RegressionModel></PMML>"""
LIGHTGBM = "tree\nversion=v4\nnum_class=1\nobjective=binary sigmoid:1\nfeature_names=income age\n\nTree=0\n"
XGBOOST = {
    "learner": {"attributes": {}, "feature_names": ["income"], "objective": {"name": "reg:squarederror"}},
    "version": [2],
}


def r_object(name: str) -> bytes:
    """As `saveRDS` writes a text, within what it writes around it."""
    return gzip.compress(b"X\n" + b"\x00" * 9 + len(name).to_bytes(4, "big") + name.encode() + b"\x00" * 4)


FILES: dict[str, tuple[bytes, str, str, tuple]] = {
    "a.pmml": (
        PMML.encode(),
        "a RegressionModel named loss",
        "regression",
        (("income", "numeric"), ("region", "categorical")),
    ),
    "a.lgb": (LIGHTGBM.encode(), "objective binary", "binary", (("income", "numeric"), ("age", "numeric"))),
    "b.txt": (LIGHTGBM.encode(), "a LightGBM model", "binary", (("income", "numeric"), ("age", "numeric"))),
    "a.json": (json.dumps(XGBOOST).encode(), "objective reg:squarederror", "regression", (("income", "numeric"),)),
    "a.ubj": (b"{L\x00\x07learner{binary:logisticL", "objective binary:logistic", "binary", ()),
    "a.rds": (r_object("randomForest"), "an R object of the class randomForest", "", ()),
    "a.safetensors": (b"x", "weights in safetensors", "", ()),
    "empty.pmml": (b"<PMML/>", "without a model", "", ()),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_says_what_it_is_and_what_it_reads(tmp_path: Path, name: str) -> None:
    content, said, task, inputs = FILES[name]
    (tmp_path / name).write_bytes(content)
    (found,) = discover(str(tmp_path)).found
    assert said in found.signs.why
    assert (found.signs.task, found.signs.inputs) == (task, inputs)


def test_other_content_under_such_names_is_no_model_and_a_pipe_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("tree of decisions")
    (tmp_path / "data.json").write_text('{"a": 1}')
    (tmp_path / "table.rds").write_bytes(r_object("data.frame"))
    os.mkfifo(tmp_path / "pipe.pkl")
    assert discover(str(tmp_path)).found == ()


def test_an_inventory_is_read_whatever_it_is_called_in(tmp_path: Path) -> None:
    path = tmp_path / "models.csv"
    path.write_bytes(
        "\ufeffModel ID;Model Name;Owner;Risk Tier\nM-1;Card Default;Retail;High\n;;x;\nM-1;Gr\u00f6\u00dfe;;".encode()
    )
    found = discover(str(path), root=tmp_path).found
    assert [(one.name, one.place, one.form) for one in found] == [
        ("card_default", "models.csv#M-1", "inventory entry"),
        ("gr_e", "models.csv#M-1 (2)", "inventory entry"),
    ]
    assert found[0].signs.why == "listed as 'Card Default', owner Retail, tier High"
    path.write_bytes("Modellname,x\nGr\u00f6\u00dfe,1\n".encode("cp1252"))
    assert [entry.name for entry in entries(path, {"name": "Modellname"})] == ["Gr\u00f6\u00dfe"]


@pytest.mark.parametrize(
    ("text", "columns", "why"),
    [
        ("a,b\n1,2\n", {}, "no column with names of models.*found are a, b"),
        ("", {}, "found are none"),
        ("model\nx\n", {"name": "title"}, "no column name: title; found are model"),
        ("model\n" + "x" * 200_000 + "\n", {}, "no CSV"),
    ],
)
def test_what_is_no_inventory_is_refused_with_the_reason(tmp_path: Path, text: str, columns: dict, why: str) -> None:
    path = tmp_path / "models.csv"
    path.write_text(text)
    with pytest.raises(InventoryUnreadable, match=why):
        entries(path, columns)
