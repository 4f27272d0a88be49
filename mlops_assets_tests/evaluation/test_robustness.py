import json

import numpy as np
import polars as pl
import pytest

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.evaluation.robustness import UNSEEN, ProbeSettings, probe


def declare(task="binary", **features):
    return Declaration.model_validate(
        {
            "purpose": "A model for tests.",
            "owner": "team:tests",
            "developers": ["developer"],
            "tier": "low",
            "task": task,
            "source": {"path": "x.parquet"},
            "id": "id",
            "target": "y",
            "features": features or {"x": "numeric", "count": {"role": "numeric", "minimum": 0}, "kind": "categorical"},
        }
    )


def rows(n=3000, seed=1):
    generator = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {
            "x": generator.normal(size=n),
            "count": generator.integers(0, 50, n),
            "kind": generator.choice(["a", "b"], n),
        }
    )
    return frame, (generator.random(n) < logistic(2 * frame["x"].to_numpy())).astype(int)


def logistic(x):
    return 1 / (1 + np.exp(-x))


def sound(frame):
    return logistic(2 * frame["x"].fill_null(0).to_numpy())


def test_a_sound_model_answers_every_probe():
    frame, y = rows()
    found = probe(sound, frame, declare(), y, threshold=0.5)
    assert len(found.probes) == 5
    assert not [p for p in found.probes if p.error]
    assert all(p.drop < 0.06 for p in found.probes)
    by_name = {p.probe: p for p in found.probes}
    assert by_name["5% of categories never seen"].mean_change == 0
    assert by_name["5% of categories never seen"].columns == ("kind",)
    assert 0 < by_name["5% of values missing"].flips < 0.05
    assert by_name["5% of numbers at their largest value"].drop > 0
    json.dumps(found.to_dict(), allow_nan=False)
    assert probe(sound, frame, declare(), y, threshold=0.5) == found


def refuses_unseen(frame):
    if (frame["kind"] == UNSEEN).any():
        raise KeyError("unknown kind")
    return sound(frame)


def nan_where_missing(frame):
    return logistic(2 * frame["x"].cast(pl.Float64).to_numpy())


@pytest.mark.parametrize(
    ("model", "broken", "message"),
    [
        (refuses_unseen, "5% of categories never seen", "KeyError"),
        (nan_where_missing, "5% of values missing", "NaN or infinite scores in"),
        (lambda f: sound(f)[: len(f) - int(f["x"].null_count() > 0)], "5% of values missing", "shape"),
    ],
)
def test_a_broken_model_is_named_with_the_probe(model, broken, message):
    frame, y = rows()
    found = probe(model, frame, declare(), y)
    failed = {p.probe: p.error for p in found.probes if p.error}
    assert list(failed) == [broken]
    assert message in failed[broken]
    assert broken in found.reason


def test_what_the_contract_refuses_is_not_probed():
    frame, y = rows()
    strict = declare(
        x={"role": "numeric", "nullable": False, "minimum": -1, "maximum": 1},
        kind={"role": "categorical", "allowed": ["a", "b"], "nullable": False},
    )
    seen = []

    def watching(given):
        seen.append(given)
        return sound(given)

    found = probe(watching, frame.with_columns(pl.col("x").clip(-1, 1)), strict, y)
    assert [p.probe.split(" ", 1)[1] for p in found.probes] == [
        "of 0.1 standard deviations in every number",
        "of numbers at their smallest value",
        "of numbers at their largest value",
    ]
    for given in seen:
        assert given["x"].null_count() == 0
        assert given["x"].is_between(-1, 1).all()


def test_types_are_kept():
    frame, _ = rows()
    frame = frame.with_columns(
        pl.col("kind").cast(pl.Categorical),
        code=pl.lit(3),
        flag=pl.Series([True, False] * 1500),
        empty=pl.lit(None, pl.Float64),
    )
    declaration = declare(
        x="numeric", count="numeric", kind="categorical", code="categorical", flag="boolean", empty="numeric"
    )
    codes = set()

    def model(given):
        assert given["count"].dtype == pl.Int64
        assert given["flag"].dtype == pl.Boolean
        codes.update(given["code"].drop_nulls())
        return sound(given)

    found = probe(model, frame, declaration)
    assert not [p for p in found.probes if p.error]
    assert codes == {3, 4}
    assert all(p.drop is None for p in found.probes)


def test_regression_and_sampling():
    frame, _ = rows()
    y = frame["x"].to_numpy() * 10
    found = probe(
        lambda f: f["x"].fill_null(0).to_numpy() * 10, frame, declare("regression"), y, settings=ProbeSettings(rows=500)
    )
    assert (found.n, found.undamaged) == (500, 1.0)
    noise = found.probes[0]
    assert noise.mean_change == pytest.approx(0.1 * np.sqrt(2 / np.pi), rel=0.1)
    # For normal variables of correlation r the concordance is 1/2 + asin(r) / pi; noise of a tenth leaves r = 1 / sqrt(1.01).
    assert noise.drop == pytest.approx(0.5 - np.arcsin(1 / np.sqrt(1.01)) / np.pi, abs=0.004)
    assert noise.flips is None


def test_refusals():
    frame, y = rows(100)
    with pytest.raises(ValueError, match="no columns x"):
        probe(sound, frame.drop("x"), declare(), y)
    with pytest.raises(ValueError, match="undamaged rows with NaN"):
        probe(lambda f: np.full(len(f), np.nan), frame, declare(), y)
