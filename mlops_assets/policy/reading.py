"""Reading a policy's YAML so that every mistake is reported with file, line, field, found and expected.

Stricter than YAML itself: a key written twice is refused, because the second, laxer value would win in silence.
"""

import difflib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mlops_assets.errors import WRONG_CALL, MlopsAssetsError
from mlops_assets.plain_text import refuse_hidden
from mlops_assets.registration import generation
from mlops_assets.strictness import OpenPart

Model = TypeVar("Model", bound=BaseModel)


class PolicyError(MlopsAssetsError, ValueError):
    """A policy, or a model's override of one, that cannot be used; one line for each mistake."""

    exit_code = WRONG_CALL


def read_document(path: Path, model: type[Model]) -> Model:
    """The YAML document in `path` as `model`.

    Raises:
        PolicyError: the file is missing, is not YAML, or does not fit the model: a line for each mistake.
    """
    try:
        # A pipe or a device would never end.
        if path.exists() and not path.is_file():
            raise PolicyError(f"{path}: found no regular file, expected a YAML file")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path}: cannot be read ({error}), expected a YAML file") from error
    return _document(path, text, model, generation())


# Every stage asks for the policy anew, so that a change counts at once; the same text is read once, as long as the same
# extensions are registered.
@lru_cache(maxsize=256)
def _document(path: Path, text: str, model: type[Model], _generation: int) -> Model:
    # PyYAML is needed only where a policy is read from a file, not where a recorded one is.
    import yaml

    from mlops_assets.project import parsed

    try:
        node, content, wrong = parsed(text)
        if wrong:
            raise PolicyError(f"{path}:{wrong}")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise PolicyError(
            f"{path}:{mark.line + 1 if mark else 1}: not YAML: {getattr(error, 'problem', error)}"
        ) from error
    except RecursionError as error:
        raise PolicyError(f"{path}:1: found values inside of each other some hundred times, expected fewer") from error
    if not isinstance(content, dict):
        raise PolicyError(f"{path}:1: found {type(content).__name__}, expected a mapping with {_names(model)}")
    try:
        refuse_hidden(content, "the file")
    except ValueError as error:
        raise PolicyError(f"{path}:1: {error}") from error
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise PolicyError("\n".join(_explain(problem, path, node, model) for problem in error.errors())) from error


def explain_field(problem: Any, model: type[BaseModel]) -> str:
    """One Pydantic problem as `field: what is wrong, found what, expected what`."""
    location = [part for part in problem["loc"] if not (isinstance(part, str) and "[" in part)]
    field = ".".join(str(part) for part in location) or "policy"
    message = str(problem["msg"]).removeprefix("Value error, ")
    match problem["type"]:
        case "extra_forbidden":
            known = list(_model_at(model, location[:-1]).model_fields)
            # Not of `location`: a field whose name has a bracket is missing there.
            close = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(known)}"
            return f"{field}: unknown field; {hint}"
        case "missing":
            return f"{field}: found nothing, expected {_description(model, location)}"
        case "value_error":
            return f"{field}: {message}"
    expected = message[0].lower() + message[1:]
    return f"{field}: found {problem['input']!r:.80}, expected: {expected.removeprefix('input should be ')}"


def _explain(problem: Any, path: Path, node: Any, model: type[BaseModel]) -> str:
    location = [part for part in problem["loc"] if not (isinstance(part, str) and "[" in part)]
    return f"{path}:{_line(node, location)}: {explain_field(problem, model)}"


def _line(node: Any, location: Sequence[str | int]) -> int:
    """Line (from 1) of the value at `location`, or of the deepest part of it that exists."""
    line = node.start_mark.line + 1
    for part in location:
        if node.id == "mapping":
            pair = next(((key, value) for key, value in node.value if key.value == str(part)), None)
        elif node.id == "sequence" and isinstance(part, int) and part < len(node.value):
            pair = (node.value[part], node.value[part])
        else:
            pair = None
        if pair is None:
            return line
        line, node = pair[0].start_mark.line + 1, pair[1]
    return line


def _model_at(model: type[BaseModel], location: Sequence[str | int]) -> type[BaseModel]:
    for part in location:
        field = model.model_fields.get(str(part))
        inner = field.annotation if field else None
        if isinstance(inner, type) and issubclass(inner, OpenPart):
            inner = inner.current()
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            # Inside a list the element's model is the last argument of the annotation.
            arguments = [a for a in getattr(inner, "__args__", ()) if isinstance(a, type) and issubclass(a, BaseModel)]
            if not arguments:
                continue
            inner = arguments[0]
        model = inner
    return model


def _description(model: type[BaseModel], location: Sequence[str | int]) -> str:
    field = _model_at(model, location[:-1]).model_fields.get(str(location[-1]))
    return f"a value: {field.description}" if field and field.description else "a value"


def _names(model: type[BaseModel]) -> str:
    return ", ".join(model.model_fields)
