"""A registered candidate is declared by name, competes like any other, and its failure leaves the others running."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from mlops_assets.extensions import Candidate, Settings
from mlops_assets.registration import code_digest, registered
from mlops_assets.training.candidates import fit_candidates
from mlops_assets.training.reproducibility import code_version
from mlops_assets.training.selection import best
from mlops_assets_tests.training.tables import declare, table

ROWS = 600


class Depth(Settings):
    """How deep."""

    depth: int = 3
    """Depth of the tree."""


def build(declaration, rows, depth=3):
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_depth=depth)


TREE = Candidate("one_tree", build, form="trees", settings=Depth, complexity=1)


def declared(**parameters):
    return declare(candidates=["random_forest", {"algorithm": "one_tree", "parameters": parameters}])


def test_it_competes_like_any_other_seeded_and_with_its_code_on_record():
    with registered(TREE):
        model = declared(depth=2)
        found = fit_candidates(model, table(ROWS))
        tree = found.fitted[1]
        assert (tree.label, tree.code) == ("one_tree", code_digest(__name__))
        assert tree.to_dict()["code"] == tree.code
        assert tree.parameters["max_depth"] == 2
        assert tree.parameters["random_state"] == model.training.seed % 2**32
        assert found.fitted[0].code is None
        assert best([tree, replace(tree, algorithm="random_forest", label="random_forest")]).chosen.label == "one_tree"


def test_its_code_is_part_of_what_a_training_is_named_by(monkeypatch, tmp_path):
    with registered(TREE):
        with_tree, without = code_version(declared()), code_version(declare())
        assert with_tree != without
        other = tmp_path / "other.py"
        other.write_text("other")
        monkeypatch.setattr("mlops_assets.training.reproducibility.source_file", lambda module: other)
        assert code_version(declared()) != with_tree


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [({"dept": 2}, "Extra inputs"), ({"depth": "deep"}, "Input should be a valid integer")],
)
def test_its_parameters_are_checked_where_they_are_declared(parameters, expected):
    with registered(TREE), pytest.raises(ValidationError, match=expected) as refused:
        declare(candidates=[{"algorithm": "one_tree", "parameters": parameters}])
    assert refused.value.errors()[0]["loc"][-2:] == ("parameters", *parameters)


def test_an_unknown_name_lists_the_known_ones():
    with (
        registered(TREE),
        pytest.raises(ValidationError, match=r"expected one of linear, .*, one_tree, or `module:function`"),
    ):
        declare(candidates=["one_tre"])


def raising(declaration, rows):
    raise RuntimeError("no")


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (raising, "RuntimeError: no"),
        (lambda declaration, rows: "tree", "returned str, expected a scikit-learn estimator"),
    ],
)
def test_its_failure_leaves_the_others_running(build, expected):
    with registered(replace(TREE, build=build)):
        found = fit_candidates(declared(), table(ROWS))
    assert [c.label for c in found.fitted] == ["random_forest"]
    assert expected in found.failed[0].reason
