"""The formats of model files that can be imported. Each holds data and no code; a format that is not here is refused."""

from collections.abc import Mapping

from mlops_assets.declaration.imported import ModelFormat
from mlops_assets.training.imported import lightgbm_file, onnx_file, skops_file, xgboost_file
from mlops_assets.training.imported.opened import FileFormat

FORMATS: Mapping[ModelFormat, FileFormat] = {
    ModelFormat.SKOPS: skops_file.FORMAT,
    ModelFormat.LIGHTGBM: lightgbm_file.FORMAT,
    ModelFormat.XGBOOST: xgboost_file.FORMAT,
    ModelFormat.ONNX: onnx_file.FORMAT,
}
