"""ONNX graphs of one matrix or of columns give one score a row; other graphs are refused with the reason."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mlops_assets.declaration.imported import ModelFormat
from mlops_assets.training import importing
from mlops_assets.training.imported.opened import ImportedModelError
from mlops_assets.training.imported.trial import require_harmless
from mlops_assets_tests.declaration.test_imported import GROUP, declared
from mlops_assets_tests.training.imported import test_boosters
from mlops_assets_tests.training.imported.test_skops import rows

FLOAT, TEXT, INTEGER = TensorProto.FLOAT, TensorProto.STRING, TensorProto.INT64
WEIGHTS = np.array([[0.7], [-0.4], [1.1]], dtype=np.float32)
NUMBERS = {"income": "numeric", "overdue": "numeric"}
ORDERED = {**GROUP, "inputs": ["overdue", "income"]}


@pytest.fixture(autouse=True)
def without_trial(monkeypatch):
    """A process for each file takes a second; one test has it."""
    monkeypatch.setattr(importing, "require_harmless", lambda format, content: None)


def graph(nodes, inputs, outputs, weights=WEIGHTS[:2], **initializers):
    tensors = [numpy_helper.from_array(weights, "w")] + [numpy_helper.from_array(v, k) for k, v in initializers.items()]
    made = helper.make_graph(
        [helper.make_node(kind, given, got, domain="ai.onnx.ml" if kind in ML else "", **facts) for kind, given, got, facts in nodes],
        "cards",
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs],
        [one if not isinstance(one, tuple) else helper.make_tensor_value_info(*one) for one in outputs],
        tensors,
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(made, ir_version=9, opset_imports=opsets, producer_name="a test")


ML = ("ZipMap", "LabelEncoder")
MATRIX = [("x", FLOAT, [None, 2])]
PRODUCT, SIGMOID = ("MatMul", ["x", "w"], ["z"], {}), ("Sigmoid", ["z"], ["score"], {})
ONE = [("score", FLOAT, [None, 1])]
TWO = ("Concat", ["rest", "score"], ["both"], {"axis": 1})
REST = ("Sub", ["one", "score"], ["rest"], {})
CLASSES = {"one": np.ones((1, 1), dtype=np.float32)}


def ours(model, table, declaration):
    content = model if isinstance(model, bytes) else model.SerializeToString()
    return test_boosters.ours(content, ModelFormat.ONNX, table, declaration)


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def test_a_matrix_of_all_inputs():
    table = rows(100).dropna()
    expected = sigmoid(table[["overdue", "income"]].to_numpy() @ WEIGHTS[:2])[:, 0]
    single = graph([PRODUCT, SIGMOID], MATRIX, ONE)
    for model in (
        single,
        graph([PRODUCT, SIGMOID, REST, TWO], MATRIX, [("both", FLOAT, [None, 2])], **CLASSES),
        graph([PRODUCT, SIGMOID, ("Squeeze", ["score"], ["flat"], {})], MATRIX, [("flat", FLOAT, [None])]),
    ):
        found = ours(model, table, declared(features=NUMBERS, imported=ORDERED))
        assert np.allclose(found, expected, atol=1e-6)
    regression = declared(features=NUMBERS, task="regression", imported=ORDERED)
    assert np.allclose(ours(single, table, regression), expected, atol=1e-6)
    with pytest.raises(ImportedModelError, match="does not name its inputs"):
        ours(single, table, declared(features=NUMBERS, imported=GROUP))


def test_a_column_for_each_input_and_named_classes():
    table = rows(100).dropna()
    region = (
        "LabelEncoder",
        ["region"],
        ["code"],
        {"keys_strings": ["east"], "values_floats": [1.0], "default_float": 0.0},
    )
    whole = ("Cast", ["overdue"], ["count"], {"to": FLOAT})
    together = ("Concat", ["income", "count", "code"], ["x"], {"axis": 1})
    named = ("ZipMap", ["both"], ["classes"], {"classlabels_strings": ["bad", "good"]})
    answer = helper.make_value_info(
        "classes", helper.make_sequence_type_proto(helper.make_map_type_proto(TEXT, helper.make_tensor_type_proto(FLOAT, None)))
    )  # fmt: skip
    columns = [("region", TEXT, [None, 1]), ("income", FLOAT, [None, 1]), ("overdue", INTEGER, [None, 1])]
    model = graph([region, whole, together, PRODUCT, SIGMOID, REST, TWO, named], columns, [answer], WEIGHTS, **CLASSES)
    inputs = np.column_stack([table["income"], table["overdue"], table["region"] == "east"])
    features = {**NUMBERS, "region": "categorical"}
    for positive, sign in (("good", 1), ("bad", -1)):
        target = {"column": "defaulted", "positive": positive}
        found = ours(model, table, declared(features=features, target=target, imported=GROUP))
        assert np.allclose(found, sigmoid(sign * (inputs @ WEIGHTS)[:, 0]), atol=1e-6)
    with pytest.raises(ImportedModelError, match="predicts the classes 'bad', 'good'"):
        ours(model, table, declared(features=features, imported=GROUP))
    with pytest.raises(ImportedModelError, match=r"text inputs are \['region'\], and declared as categorical are none"):
        ours(model, table, declared(features={**NUMBERS, "region": "numeric"}, imported=GROUP))


def test_gaps_are_an_error_that_says_what_to_declare():
    model = graph([PRODUCT, SIGMOID], MATRIX, ONE)
    with pytest.raises(ImportedModelError, match=r"NaN or infinity for 20 of 600 rows\. Declare .*`nullable: false`"):
        ours(model, rows(), declared(features=NUMBERS, imported=ORDERED))


def elsewhere():
    model = graph([PRODUCT, SIGMOID], MATRIX, ONE)
    onnx.external_data_helper.convert_model_to_external_data(model, location="weights.bin", size_threshold=0)
    return model


@pytest.mark.parametrize(
    ("model", "task", "reason"),
    [
        (b"hello", "binary", "ONNX Runtime does not read the file"),
        (elsewhere(), "binary", "weights of the model are in another file"),
        (graph([PRODUCT, SIGMOID], [("x", FLOAT, [None, 3, 2])], [("score", FLOAT, None)]), "binary", "expected one matrix"),
        (graph([PRODUCT, SIGMOID], MATRIX, [*ONE, ("z", FLOAT, [None, 1])]), "binary", "expected one output of scores"),
        (graph([PRODUCT, SIGMOID, REST, TWO], MATRIX, [("both", FLOAT, [None, 2])], **CLASSES), "regression", "expected one output"),
        (graph([("Unknown", ["x"], ["score"], {})], MATRIX, ONE), "binary", "ONNX Runtime does not read the file"),
    ],
)  # fmt: skip
def test_what_is_not_imported_is_refused_with_the_reason(model, task, reason):
    with pytest.raises(ImportedModelError, match=f"cards.skops: not imported: .*{reason}"):
        ours(model, rows(100), declared(features=NUMBERS, task=task, imported=ORDERED))


def test_a_file_passes_its_first_reading():
    require_harmless(ModelFormat.ONNX, graph([PRODUCT, SIGMOID], MATRIX, ONE).SerializeToString())
