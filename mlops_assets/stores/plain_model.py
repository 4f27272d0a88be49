"""The stored model as plain `mlflow.pyfunc` loads it, where this package is not installed.

MLflow keeps a copy of this file beside the model (models from code: no pickle) and runs it when somebody calls
`mlflow.pyfunc.load_model`. It imports nothing of this package. Nothing of this package loads a model this way: scoring
reads the skops file itself, after signature and allow-list were checked (`training/artifact.py`).
"""

from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel  # pyright: ignore[reportPrivateImportUsage]

MODEL = "model"
TRUSTED = "trusted_types"
LABEL, PROBABILITY = "prediction", "probability:"


def answers(pipeline: Any, features: pd.DataFrame) -> pd.DataFrame:
    """`prediction` (label or value) and, for classes, `probability:<class>` of each.

    Args:
        pipeline: fitted scikit-learn pipeline.
        features: as the pipeline takes them; whole numbers are as good as others.
    """
    answer = {LABEL: pipeline.predict(features)}
    if hasattr(pipeline, "predict_proba"):
        probabilities = pipeline.predict_proba(features)
        answer |= {f"{PROBABILITY}{label}": probabilities[:, k] for k, label in enumerate(pipeline.classes_)}
    return pd.DataFrame(answer, index=features.index)


class PlainModel(PythonModel):
    """Reads the skops file beside it, trusting the types that were on the allow-list when it was stored."""

    def load_context(self, context: Any) -> None:
        """Called once by MLflow, with the paths of the model's files."""
        import skops.io

        self.pipeline = skops.io.load(context.artifacts[MODEL], trusted=list(context.model_config[TRUSTED]))

    def predict(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """See `answers`."""
        return answers(self.pipeline, model_input)


# At import MLflow's tracking is not touched: this only names the object that MLflow takes when it runs the file.
set_model(PlainModel())
