"""From the file of a model that others trained to a pipeline that is stored and scored as any other."""

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from mlops_assets.datasets.values import text_of
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.imported import ModelFormat
from mlops_assets.declaration.terms import Role, Task
from mlops_assets.features.passed_through import PassedThrough
from mlops_assets.project import DeclaredModel, line_of
from mlops_assets.stores.home import Home
from mlops_assets.stores.model_files import ModelFile, ModelFileError, read_declared
from mlops_assets.training.artifact import foreign_message, refused_types, trusted_types
from mlops_assets.training.imported.estimator import ImportedModel
from mlops_assets.training.imported.formats import FORMATS
from mlops_assets.training.imported.opened import Asked, ImportedModelError, Opened
from mlops_assets.training.imported.skops_file import types_in
from mlops_assets.training.imported.trial import require_harmless

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

OWN = "mlops_assets."


def imported_pipeline(declaration: Declaration, file: ModelFile) -> "Pipeline":
    """The pipeline of a model that others trained; steps `features` and `model`.

    Args:
        declaration: with origin imported.
        file: that was read, and has the declared digest.

    Raises:
        ImportedModelError: the file is of no format on the list, holds types that are not trusted, takes other inputs than
            the declared features, or is a model of another task.
    """
    from sklearn.pipeline import Pipeline

    try:
        model = _model(declaration, file)
    except ImportedModelError as error:
        raise ImportedModelError(f"{file.where}: not imported: {error}") from error
    texts = list(declaration.features_of(Role.CATEGORICAL))
    return Pipeline([("features", PassedThrough(list(declaration.features), texts)), ("model", model)])


def imported_mistakes(model: DeclaredModel, root: Path, home: Home) -> list[str]:
    """Why the file of a model that others trained is not imported, with file and line; empty where it is, or there is none.

    Args:
        model: whose declaration could be read.
        root: of the project.
        home: whose MLflow is asked where the declaration names no server.
    """
    declaration = model.declaration
    if declaration is None or declaration.imported is None:
        return []
    try:
        imported_pipeline(declaration, read_declared(declaration.imported, root, home))
    except (ModelFileError, ImportedModelError) as error:
        node = yaml.compose(model.path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        return [f"{model.path}:{line_of(node, ('attributes', 'imported'))}: imported: {error}"]
    return []


def _model(declaration: Declaration, file: ModelFile) -> ImportedModel:
    reader = FORMATS[file.format]
    if file.format is ModelFormat.SKOPS:
        # Those of this package are for what it stores itself; in a file of others they would pass by the checks of its format.
        if ours := sorted(name for name in types_in(file.content) if name.startswith(OWN)):
            raise ImportedModelError(f"the file holds types that only this package writes: {', '.join(ours)}")
        if refused := refused_types(file.content, declaration):
            raise ImportedModelError(foreign_message("the file", refused))
    if reader.native:
        require_harmless(file.format, file.content)
    held = reader.read(file.content, frozenset(trusted_types(declaration)))
    regression, positive = declaration.task is Task.REGRESSION, text_of(declaration.target.positive)
    opened = reader.open(held, Asked(regression, positive))
    features, names = inputs_in_order(declaration, opened)
    columns = list(declaration.features)
    text = set(declaration.features_of(Role.CATEGORICAL))
    model = ImportedModel(
        format=file.format.value,
        sha256=file.sha256,
        regression=regression,
        positive=positive,
        inputs=[(name, columns.index(feature), feature in text) for feature, name in zip(features, names, strict=True)],
        held=held,
    )
    # What is only found once it is known which inputs are text.
    model.opened()
    return model


def inputs_in_order(declaration: Declaration, opened: Opened) -> tuple[list[str], list[str]]:
    """The features in the order in which the model takes them, and the names under which it gets them.

    Raises:
        ImportedModelError: the model takes other inputs, or nothing says in which order.
    """
    imported = declaration.imported
    assert imported is not None
    features = list(imported.inputs)
    if not features and opened.names is None:
        raise ImportedModelError(
            "it does not name its inputs; write `imported.inputs`: the features in the order in which the model takes them"
        )
    if not features:
        assert opened.names is not None
        lacking = [name for name in opened.names if name not in declaration.features]
        further = [name for name in declaration.features if name not in opened.names]
        if lacking or further:
            raise ImportedModelError(
                f"the model's inputs are {_listed(opened.names)}; "
                + "; ".join(
                    f"{what}: {_listed(names)}"
                    for what, names in (("not declared as features", lacking), ("features it does not take", further))
                    if names
                )
                + ". Declare the features by the model's names, or list the features in its order under `imported.inputs`"
            )
        features = list(opened.names)
    if opened.width is not None and opened.width != len(features):
        raise ImportedModelError(f"the model takes {opened.width} inputs, and {len(features)} features are declared")
    return features, list(opened.names or features)


def _listed(names: tuple[str, ...] | list[str], most: int = 12) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
