"""Files of LightGBM and XGBoost give the scores that their makers get, and are refused with the reason."""

import importlib
import re
from pathlib import Path

import lightgbm
import mlflow
import numpy as np
import pandas as pd
import pytest
import xgboost

from mlops_assets.declaration.imported import Imported, ModelFormat
from mlops_assets.features.frame import to_model_frame
from mlops_assets.stores.home import Home
from mlops_assets.stores.model_files import read_model_file
from mlops_assets.training import importing
from mlops_assets.training.artifact import canonical_digest, load, save
from mlops_assets.training.imported import opened
from mlops_assets.training.imported.opened import ImportedModelError
from mlops_assets.training.importing import imported_pipeline
from mlops_assets.training.metrics import scores_of
from mlops_assets_tests.declaration.test_imported import GROUP, declared
from mlops_assets_tests.training.imported.test_skops import file_of, given, rows

NUMBERS = {"income": "numeric", "overdue": "numeric"}
TEXTS = {"income": "numeric", "overdue": "categorical"}
ORDER = ["overdue", "income"]
LIGHTGBM, XGBOOST = ModelFormat.LIGHTGBM, ModelFormat.XGBOOST
BINARY = {LIGHTGBM: {"objective": "binary", "verbosity": -1}, XGBOOST: {"objective": "binary:logistic"}}


@pytest.fixture(autouse=True)
def without_trial(request, monkeypatch):
    """A process for each file takes a second; one test has it."""
    if "real_trial" not in request.fixturenames:
        monkeypatch.setattr(importing, "require_harmless", lambda format, content: None)


@pytest.fixture
def real_trial():
    """Files are opened in a process of their own first."""


def boosted(format, table, columns=ORDER, target=None, **parameters):
    """A fitted booster and the bytes of its file; trained on an array where `columns` is None."""
    target = table["defaulted"] if target is None else target
    inputs = table[ORDER].to_numpy() if columns is None else table[columns]
    settings = BINARY[format] | parameters
    if format is LIGHTGBM:
        model = lightgbm.train(settings, lightgbm.Dataset(inputs, target), 10)
        return model, model.model_to_string().encode()
    model = xgboost.train(settings, xgboost.DMatrix(inputs, target), 10)
    return model, bytes(model.save_raw("ubj"))


def theirs(model, inputs):
    return model.predict(xgboost.DMatrix(inputs) if isinstance(model, xgboost.Booster) else inputs)


def ours(content, format, table, declaration=None):
    file = file_of(content, format)
    declaration = declaration or declared(features=NUMBERS, imported={**GROUP, "sha256": file.sha256})
    pipeline = imported_pipeline(declaration, file)
    return scores_of(pipeline, to_model_frame(given(table), declaration), declaration)


@pytest.mark.parametrize("format", [LIGHTGBM, XGBOOST])
def test_scores_are_those_that_its_maker_gets(format, tmp_path: Path):
    table = rows(300)
    model, content = boosted(format, table)
    assert np.array_equal(ours(content, format, table), theirs(model, table[ORDER]).astype(float))

    file = file_of(content, format)
    declaration = declared(features=NUMBERS, imported={**GROUP, "sha256": file.sha256})
    save(imported_pipeline(declaration, file), tmp_path / "a", declaration)
    back = load(tmp_path / "a", declaration, canonical_digest(tmp_path / "a"))
    assert back.named_steps["model"].held == content
    frame = to_model_frame(given(table), declaration)
    assert np.array_equal(scores_of(back, frame, declaration), theirs(model, table[ORDER]).astype(float))


@pytest.mark.parametrize("format", [LIGHTGBM, XGBOOST])
def test_a_file_without_names_and_a_regression(format):
    table = rows(300)
    model, content = boosted(format, table, columns=None)
    with pytest.raises(ImportedModelError, match="does not name its inputs"):
        ours(content, format, table)
    ordered = declared(features=NUMBERS, imported={**GROUP, "inputs": ORDER})
    expected = theirs(model, table[ORDER].to_numpy()).astype(float)
    assert np.array_equal(ours(content, format, table, ordered), expected)

    kind = {"objective": "regression" if format is LIGHTGBM else "reg:squarederror"}
    model, content = boosted(format, table, target=table["overdue"] * 2.5, **kind)
    regression = declared(features=NUMBERS, task="regression", imported=GROUP)
    assert np.array_equal(ours(content, format, table, regression), theirs(model, table[ORDER]).astype(float))


def test_categories_of_pandas_are_those_of_lightgbm():
    table = rows(300)
    coded = table.assign(region=table["region"].astype("category"), branch=pd.Categorical(np.arange(300) % 4 * 10))
    columns = ["branch", "income", "region"]
    model, content = boosted(LIGHTGBM, coded, columns=columns, min_data_per_group=5, cat_smooth=1)
    declaration = declared(
        features={"income": "numeric", "region": "categorical", "branch": "categorical"}, imported=GROUP
    )
    found = ours(content, LIGHTGBM, table.assign(branch=np.arange(300) % 4 * 10), declaration)
    assert np.array_equal(found, model.predict(coded[columns]))
    assert len(np.unique(found)) > 3
    # As numbers they would mean other categories, silently.
    numbers = declared(features={"income": "numeric", "region": "numeric", "branch": "numeric"}, imported=GROUP)
    with pytest.raises(ImportedModelError, match="2 categorical columns of pandas, and 0 features"):
        ours(content, LIGHTGBM, table, numbers)


def test_the_interface_decides_how_many_rounds_of_xgboost_count(tmp_path):
    table = rows(300)
    settings = {"n_estimators": 60, "early_stopping_rounds": 2, "learning_rate": 0.8}
    model = xgboost.XGBClassifier(**settings)
    model.fit(
        table[ORDER][:150],
        table["defaulted"][:150],
        eval_set=[(table[ORDER][150:], table["defaulted"][150:])],
        verbose=False,
    )
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    model.save_model(tmp_path / "model.json")
    found = ours((tmp_path / "model.json").read_bytes(), XGBOOST, table)
    assert np.array_equal(found, model.predict_proba(table[ORDER])[:, 1].astype(float))


@pytest.mark.parametrize("format", [LIGHTGBM, XGBOOST])
def test_mlflow_keeps_them_in_their_own_format(format, tmp_path):
    table = rows(200)
    model, _ = boosted(format, table)
    getattr(mlflow, format.value).save_model(model, tmp_path / "saved", pip_requirements=[])
    found = read_model_file(
        Imported(artifact="saved", supplier="Group"), tmp_path, Home.of(tmp_path / "home", environment={})
    )
    assert found.format is format
    assert np.array_equal(ours(found.content, format, table), theirs(model, table[ORDER]).astype(float))


@pytest.mark.parametrize(
    ("format", "content", "reason"),
    [
        (LIGHTGBM, b"PK\x03\x04", "no LightGBM model file, or only a part of one"),
        (LIGHTGBM, b"tree\nversion=v4\n", "only a part of one"),
        (LIGHTGBM, b"tree\nnothing\nend of trees\n", "LightGBM does not read the file"),
        (XGBOOST, b"binf\x00", "no XGBoost model file"),
        (XGBOOST, b'{"learner": 1}', "XGBoost does not read the file"),
        (
            LIGHTGBM,
            {"objective": "regression"},
            "task is binary, and the model was trained with the objective 'regression'",
        ),
        (
            XGBOOST,
            {"objective": "binary:logitraw"},
            "objective 'binary:logitraw'; expected one that gives a probability",
        ),
    ],
)
def test_what_is_not_imported_is_refused_with_the_reason(format, content, reason, capfd):
    table = rows(200)
    if isinstance(content, dict):
        content = boosted(format, table, **content)[1]
    with pytest.raises(ImportedModelError, match=f"cards.skops: not imported: .*({reason})"):
        ours(content, format, table)


def test_what_does_not_fit_the_declaration_is_refused():
    table = rows(200)
    content = boosted(XGBOOST, table)[1]
    with pytest.raises(
        ImportedModelError, match=r"task is regression, and the model was trained with .*'binary:logistic'"
    ):
        ours(content, XGBOOST, table, declared(features=NUMBERS, task="regression", imported=GROUP))
    with pytest.raises(ImportedModelError, match="takes numbers only, and overdue is declared as categorical; declare"):
        ours(content, XGBOOST, table, declared(features=TEXTS, imported=GROUP))
    coded = table.assign(overdue=pd.Categorical(table["overdue"].astype(str)))
    model = xgboost.XGBClassifier(n_estimators=2, enable_categorical=True).fit(coded[ORDER], coded["defaulted"])
    with pytest.raises(ImportedModelError, match=r"not supported \(found overdue\): .* as skops or ONNX"):
        ours(bytes(model.get_booster().save_raw("ubj")), XGBOOST, table, declared(features=TEXTS, imported=GROUP))
    several = boosted(XGBOOST, table, target=np.arange(200) % 3, objective="multi:softprob", num_class=3)[1]
    with pytest.raises(ImportedModelError, match=r"several classes apart .objective 'multi:softprob'.*one outcome"):
        ours(several, XGBOOST, table)
    with pytest.raises(ImportedModelError, match="not declared as features: overdue"):
        ours(content, XGBOOST, table, declared(features={"income": "numeric"}, imported=GROUP))


def test_a_file_without_an_objective_is_refused():
    model = boosted(LIGHTGBM, rows(200))[0]
    lines = model.model_to_string().splitlines(keepends=True)
    content = "".join(line for line in lines if not line.startswith("objective=")).encode()
    with pytest.raises(ImportedModelError, match="does not name the objective of its training"):
        ours(content, LIGHTGBM, rows(200))


def test_a_file_that_crashes_its_library_is_refused(real_trial):
    table = rows(200)
    _, content = boosted(LIGHTGBM, table)
    assert len(ours(content, LIGHTGBM, table)) == 200
    damaged = re.sub(rb"num_leaves=\d+", b"num_leaves=abc", content)
    with pytest.raises(ImportedModelError, match="its library crashes when it reads the file"):
        ours(damaged, LIGHTGBM, table)


def test_a_library_that_is_not_installed_is_named_with_its_extra(monkeypatch):
    content = boosted(LIGHTGBM, rows(200))[1]

    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(opened.importlib, "import_module", absent)
    with pytest.raises(ImportedModelError, match=r"pip install 'mlops_assets\[lightgbm\]'"):
        ours(content, LIGHTGBM, rows(200))
    assert importlib.import_module is absent
