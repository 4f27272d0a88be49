"""A skops file of another team becomes a pipeline that is stored, explained and scored as any other."""

import hashlib
import os

import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.svm import LinearSVC

from mlops_assets.declaration.imported import ModelFormat
from mlops_assets.evaluation.importance import permutation_importance
from mlops_assets.evaluation.reasons.examination import examine_reason_codes
from mlops_assets.evaluation.reasons.reference import build_reference
from mlops_assets.features.frame import to_model_frame
from mlops_assets.features.transformer import features_digest
from mlops_assets.stores.model_files import ModelFile
from mlops_assets.training.artifact import ArtifactError, canonical_digest, load, save
from mlops_assets.training.imported.estimator import ImportedModel
from mlops_assets.training.imported.opened import ImportedModelError
from mlops_assets.training.importing import imported_pipeline
from mlops_assets.training.metrics import scores_of
from mlops_assets_tests.declaration.test_imported import GROUP, declared

FEATURES = {"income": "numeric", "overdue": "numeric", "region": "categorical"}
SYSTEM = f"{os.system.__module__}.system"


class Weights:
    """A class that nobody put on the allow-list."""


def rows(count=600):
    draw = np.random.default_rng(3)
    income, overdue = draw.normal(size=count), draw.poisson(0.6, count).astype(float)
    region = draw.choice(["north", "south", "east"], count)
    risk = 1 / (1 + np.exp(1 - overdue + income - (region == "east")))
    income[:20] = np.nan
    return pd.DataFrame(
        {
            "application": np.arange(count).astype(str),
            "decided_on": "2023-11-01",
            "income": income,
            "overdue": overdue,
            "region": np.where(np.arange(count) % 50 == 0, None, region),
            "defaulted": (draw.random(count) < risk).astype(int),
        }
    )


def fitted(estimator=None, target=None, table=None):
    table = rows() if table is None else table
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["region"]), remainder=SimpleImputer(add_indicator=True)
    )
    model = make_pipeline(encoder, estimator or LogisticRegression())
    # In another order than the declaration has them.
    return model.fit(table[["region", "overdue", "income"]], table["defaulted"] if target is None else target)


def file_of(model, format=ModelFormat.SKOPS):
    content = model if isinstance(model, bytes) else skops.io.dumps(model)
    return ModelFile("cards.skops", format, content, hashlib.sha256(content).hexdigest())


def declaration_of(file, **changes):
    facts = {**GROUP, "sha256": file.sha256, **changes.pop("imported", {})}
    return declared(features=FEATURES, imported=facts, **changes)


def given(table):
    return pl.from_pandas(table)


def test_its_scores_are_those_that_its_maker_gets(tmp_path):
    table, model = rows(), fitted()
    file = file_of(model)
    declaration = declaration_of(file)
    pipeline = imported_pipeline(declaration, file)
    expected = model.predict_proba(table[["region", "overdue", "income"]].fillna({"region": np.nan}))[:, 1]
    frame = to_model_frame(given(table), declaration)
    assert np.allclose(scores_of(pipeline, frame, declaration), expected, rtol=0, atol=1e-15)

    save(pipeline, tmp_path / "a", declaration)
    back = load(tmp_path / "a", declaration, canonical_digest(tmp_path / "a"))
    assert np.array_equal(scores_of(back, frame, declaration), scores_of(pipeline, frame, declaration))
    digests = {features_digest(p.named_steps["features"], given(table), declaration) for p in (pipeline, back)}
    assert len(digests) == 1
    assert features_digest(pipeline.named_steps["features"], given(table)[::-1], declaration) not in digests

    other = declaration_of(file, imported={"sha256": "0" * 64})
    with pytest.raises(ArtifactError, match="SHA-256"):
        load(tmp_path / "a", other)
    save(fitted(), tmp_path / "b", declaration)
    with pytest.raises(ArtifactError, match="expected an imported model"):
        load(tmp_path / "b", declaration)


def test_reasons_and_importance_follow_its_inputs():
    table, file = rows(), file_of(fitted())
    declaration = declaration_of(file)
    pipeline, frame = imported_pipeline(declaration, file), given(rows())
    importance = permutation_importance(pipeline, given(table), declaration, repeats=1)
    assert {entry.feature for entry in importance.features} == set(FEATURES)
    assert importance.features[-1].feature == "region"
    reference = build_reference(pipeline, frame, declaration, 0.5)
    report = examine_reason_codes(pipeline, frame, declaration, 0.5, reference, most_rows=200)
    assert report.coverage == 1
    assert report.faithful_share is not None
    assert report.faithful_share > 0.9


@pytest.mark.parametrize(
    ("positive", "classes", "column"),
    [
        ("yes", ("no", "yes"), 1),
        ("no", ("no", "yes"), 0),
        (1, (False, True), 1),
        ("bad", (0, 1), 1),
        (1, (0.0, 1.0), 1),
    ],
)
def test_the_positive_class_is_found(positive, classes, column):
    table = rows(120)
    target = np.array(classes)[table["defaulted"]]
    model = fitted(target=target, table=table)
    file = file_of(model)
    declaration = declaration_of(file, target={"column": "defaulted", "positive": positive})
    frame = to_model_frame(given(table), declaration)
    expected = model.predict_proba(table[["region", "overdue", "income"]].fillna({"region": np.nan}))[:, column]
    assert np.allclose(scores_of(imported_pipeline(declaration, file), frame, declaration), expected, atol=1e-15)


def test_a_file_that_does_not_name_its_inputs_needs_their_order():
    table = rows(200).dropna()
    numbers = table[["overdue", "income"]].to_numpy()
    model = LogisticRegression().fit(numbers, table["defaulted"])
    file, two = file_of(model), {"income": "numeric", "overdue": "numeric"}

    def with_inputs(*names):
        return declared(features=two, imported={**GROUP, "sha256": file.sha256, "inputs": list(names)})

    with pytest.raises(ImportedModelError, match=r"does not name its inputs; write `imported\.inputs`"):
        imported_pipeline(with_inputs(), file)
    declaration = with_inputs("overdue", "income")
    frame = to_model_frame(given(table), declaration)
    scores = scores_of(imported_pipeline(declaration, file), frame, declaration)
    assert np.allclose(scores, model.predict_proba(numbers)[:, 1], atol=1e-15)


@pytest.mark.parametrize(
    ("model", "changes", "reason"),
    [
        (b"no zip at all", {}, "no skops file, or a damaged one"),
        (Weights(), {}, "types that are not on the allow-list: .*Weights"),
        (LogisticRegression, {}, "not on the allow-list|expected a fitted estimator"),
        (FunctionTransformer(os.system), {}, "types that are not on the allow-list: .*system"),
        (FunctionTransformer(os.system), {"imported": {"trusted_types": [SYSTEM]}}, "not on the allow-list: .*system"),
        (ImportedModel("skops", "", False, "1", [], None), {}, "types that only this package writes: .*ImportedModel"),
        ({"a": 1}, {}, "the file holds a dict, expected a fitted estimator"),
        (lambda: fitted(LinearSVC()), {}, "gives no probabilities: it has no `predict_proba`"),
        (lambda: fitted(LinearRegression()), {}, "task is binary, and the file holds a regressor"),
        (lambda: fitted(), {"task": "regression"}, "task is regression, and the file holds a classifier"),
        (lambda: fitted(target=rows()["overdue"].clip(0, 2)), {}, "predicts the classes '0', '1', '2'"),
    ],
)
def test_what_is_not_imported_is_refused_with_the_reason(model, changes, reason):
    file = file_of(model() if getattr(model, "__name__", "") == "<lambda>" else model)
    with pytest.raises(ImportedModelError, match=f"cards.skops: not imported: .*({reason})"):
        imported_pipeline(declaration_of(file, **changes), file)


def test_other_inputs_than_declared_are_named():
    file = file_of(fitted())
    declaration = declared(features={"income": "numeric", "age": "numeric"}, imported={**GROUP, "sha256": file.sha256})
    with pytest.raises(
        ImportedModelError, match=r"not declared as features: region, overdue; features it does not take: age"
    ):
        imported_pipeline(declaration, file)


def test_a_row_that_it_cannot_score_is_a_clear_error():
    table = rows(200).dropna()
    file = file_of(LogisticRegression().fit(table[["income", "overdue"]], table["defaulted"]))
    declaration = declared(
        features={"income": "numeric", "overdue": "numeric"}, imported={**GROUP, "sha256": file.sha256}
    )
    pipeline = imported_pipeline(declaration, file)
    with pytest.raises(ImportedModelError, match=r"does not score 600 rows .*NaN.*`nullable: false`"):
        scores_of(pipeline, to_model_frame(given(rows()), declaration), declaration)


def test_a_class_that_the_declaration_trusts_is_read():
    model = fitted()
    model.steps.insert(0, ("check", Passing()))
    file = file_of(model)
    with pytest.raises(ImportedModelError, match="Passing"):
        imported_pipeline(declaration_of(file), file)
    trusted = f"{Passing.__module__}.Passing"
    imported_pipeline(declaration_of(file, imported={"trusted_types": [trusted]}), file)


class Passing:
    """A transformer of the maker's own."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X

    @property
    def feature_names_in_(self):
        return np.array(["region", "overdue", "income"])

    @property
    def n_features_in_(self):
        return 3
