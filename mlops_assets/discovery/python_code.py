"""Does Python train or use a model, or call a language model? Code is parsed, never run.

Belongs here: scripts and the cells of notebooks. R and SAS are in `other_code.py`.
"""

import ast
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlops_assets.discovery.signs import LIBRARIES, Signs

CALLS = (
    "fit",
    "predict",
    "predict_proba",
    "partial_fit",
    "fit_predict",
    "cross_validate",
    "cross_val_score",
    "backward",
)
"""Methods and functions that a model is trained or used with."""
FUNCTIONS = ("train", "cv", "load_model")
"""Functions that do so where they belong to a library of models, such as `xgboost.train`."""
LLM_LIBRARIES = (
    *("openai", "anthropic", "langchain", "langgraph", "llama_index", "litellm", "cohere", "mistralai", "ollama"),
    *("vllm", "groq", "together", "transformers", "dspy", "guidance", "instructor", "semantic_kernel", "autogen"),
    *("crewai", "google.generativeai", "google.genai", "vertexai", "huggingface_hub", "azure.ai.inference", "haystack"),
)
"""Modules through which language models are called; those that begin with `langchain_` as well."""
LLM_CALLS = (
    *(
        "completions.create",
        "responses.create",
        "responses.parse",
        "completions.parse",
        "messages.create",
        "messages.stream",
    ),
    *("embeddings.create", "generate_content", "generate_text", "text_generation", "chat_completion", "invoke_model"),
    *("converse", "completion", "acompletion", "invoke", "ainvoke", "from_pretrained", "pipeline", "generate", "chat"),
    *("InferenceClient", "GenerativeModel", "Predict", "ChainOfThought", "LLM", "kickoff"),
)
"""Ends of what is called on them; classes named `Chat…` as well."""
LLM_HOSTS = re.compile(
    r"api\.openai\.com|openai\.azure\.com|api\.anthropic\.com|generativelanguage\.googleapis\.com|bedrock-runtime"
    r"|api\.mistral\.ai|api\.cohere\.|router\.huggingface\.co|api-inference\.huggingface\.co"
)
"""Addresses and service names of language models."""
MODEL_WORDS = ("model", "model_name", "model_id", "modelId", "deployment_name", "azure_deployment", "engine")
READ_AT_MOST = 4 << 20
"""Bytes of a script that are read."""
NOTEBOOK_AT_MOST = 64 << 20
"""Bytes of a notebook that are read; pictures in its outputs make it large."""
SHOWN = 5


@dataclass
class Seen:
    """What parsed code calls.

    Attributes:
        trains: call that speaks for a model to where it is.
        models: libraries of models that are imported.
        asks: call of a language model to where it is.
        speakers: libraries of language models that are imported.
        named: language models that are named.
    """

    trains: dict[str, list[int]] = field(default_factory=dict)
    models: dict[str, None] = field(default_factory=dict)
    asks: dict[str, list[int]] = field(default_factory=dict)
    speakers: dict[str, None] = field(default_factory=dict)
    named: dict[str, None] = field(default_factory=dict)

    def take(self, tree: ast.AST, place: int | None = None) -> None:
        """Take in a tree; `place` is its cell, None: each call has its own line."""
        nodes = list(ast.walk(tree))
        for node in nodes:
            for module in _imported(node):
                self.models.update(dict.fromkeys(_members(module, LIBRARIES)))
                self.speakers.update(dict.fromkeys(_speakers(module)))
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and (host := LLM_HOSTS.search(node.value))
            ):
                self.asks.setdefault(host.group(), []).append(place or node.lineno)
        for node in nodes:
            if isinstance(node, ast.Call):
                self._call(node, place or node.lineno)

    def _call(self, node: ast.Call, place: int) -> None:
        dotted = _dotted(node.func)
        last = dotted.rpartition(".")[2]
        if last in CALLS or (last in FUNCTIONS and self.models):
            self.trains.setdefault(f".{last}" if isinstance(node.func, ast.Attribute) else last, []).append(place)
        if self.speakers and (dotted.endswith(LLM_CALLS) or last.startswith("Chat")) and _whole(dotted):
            self.asks.setdefault(_shortened(dotted), []).append(place)
            self.named.update(dict.fromkeys(_models_named(node, last)))


def signs_in_notebook(path: Path) -> list[Signs]:
    """Why the notebook is thought to hold a model or to call a language model; nothing when it calls neither.

    Raises:
        OSError: it cannot be read.
    """
    if (size := path.stat().st_size) > NOTEBOOK_AT_MOST:
        return [_unread(f"a notebook of {size >> 20} MB, too large to be read")]
    cells = _cells(path)
    if cells is None:
        return [_unread("a notebook that cannot be read")]
    seen = Seen()
    for number, cell in enumerate(cells, start=1):
        seen.take(_parsed(_text(cell)), number)
    return _signs(seen, "notebook", "a notebook", "cell", certain=False)


def notebook_digest(path: Path) -> str | None:
    """SHA-256 of the code in a notebook, whatever its outputs are; None where it cannot be read."""
    cells = _cells(path) if path.stat().st_size <= NOTEBOOK_AT_MOST else None
    if cells is None:
        return None
    return hashlib.sha256("\n\n".join(_text(cell) for cell in cells).encode("utf-8", "replace")).hexdigest()


def signs_in_script(path: Path) -> list[Signs]:
    """Why the Python file is thought to hold a model or to call a language model; nothing when it calls neither.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(READ_AT_MOST + 1)
    if not _MENTIONED.search(content):
        # Parsing takes a hundred times as long as looking for the names.
        return []
    if len(content) > READ_AT_MOST:
        return [Signs("a Python file too large to be parsed that names a library of models", "possible", form="script")]
    seen = Seen()
    seen.take(_parsed(content.decode("utf-8", "replace")))
    return _signs(seen, "script", "a Python script", "line", certain=True)


def _signs(seen: Seen, form: str, what: str, unit: str, *, certain: bool) -> list[Signs]:
    """One sign for a model and one for a language model; with `certain`, a call without a library of models is none."""
    found = []
    if seen.trains and (seen.models or not certain):
        why = f"{what} that calls {_called(seen.trains, unit)}"
        why += f", with {', '.join(seen.models)}" if seen.models else ""
        # Many things have a method `fit`; with a library of models beside it there is little doubt.
        confidence = "likely" if seen.models else "possible"
        basis = f"{sorted(seen.trains)} {sorted(seen.models)}"
        found.append(Signs(why, confidence, form=form, basis=basis))
    if seen.asks or seen.speakers:
        means = f"calls {_called(seen.asks, unit)}" if seen.asks else "imports"
        why = f"{what} that {means}" + (f", with {', '.join(seen.speakers)}" if seen.asks and seen.speakers else "")
        why += "" if seen.asks else f" {', '.join(seen.speakers)}"
        why += f", model {', '.join(seen.named)}" if seen.named else ""
        basis = f"{sorted(seen.asks)} {sorted(seen.speakers)} {sorted(seen.named)}"
        facts = {"model": ", ".join(seen.named)} if seen.named else {}
        found.append(Signs(why, "likely" if seen.asks else "possible", form="LLM use", basis=basis, facts=facts))
    return found


def _cells(path: Path) -> list[Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return [c for c in content["cells"] if c.get("cell_type") == "code"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _text(cell: Any) -> str:
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(map(str, source if isinstance(source, list) else ()))


def _parsed(text: str) -> ast.AST:
    """The syntax tree; lines for the shell and magics are left out, and text that is no Python is empty."""
    lines = ["" if re.match(r"\s*[%!?]", line) else line for line in text.splitlines()]
    try:
        return ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # A null byte, or values nested deeper than the parser goes.
        return ast.Module(body=[], type_ignores=[])


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        # `from google import genai` names a module as well.
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _members(module: str, known: Sequence[str]) -> Iterator[str]:
    yield from (name for name in known if module == name or module.startswith(f"{name}."))


def _speakers(module: str) -> Iterator[str]:
    yield from _members(module, LLM_LIBRARIES)
    if (top := module.split(".")[0]).startswith("langchain_"):
        yield top


def _dotted(node: ast.AST) -> str:
    """`client.chat.completions.create` of a call's function; what is no name in it is left out."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        parts.append(node.id)
    return ".".join(reversed(parts))


def _whole(dotted: str) -> bool:
    """Whether one of the calls is the end of the name at a dot: `regenerate` is no `generate`."""
    last = dotted.rpartition(".")[2]
    return last.startswith("Chat") or any(dotted == call or dotted.endswith(f".{call}") for call in LLM_CALLS)


def _shortened(dotted: str) -> str:
    return ".".join(dotted.split(".")[-3:])


def _models_named(node: ast.Call, last: str) -> Iterator[str]:
    values = [k.value for k in node.keywords if k.arg in MODEL_WORDS]
    if last in ("from_pretrained", "GenerativeModel", "LLM") and node.args:
        values.append(node.args[0])
    for value in values:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value.value[:80]


def _called(calls: dict[str, list[int]], unit: str) -> str:
    named = [f"{name} in {unit} {_numbers(where)}" for name, where in list(calls.items())[:SHOWN]]
    return ", ".join(named) + (f" and {len(calls) - SHOWN} more" if len(calls) > SHOWN else "")


def _numbers(where: list[int]) -> str:
    unique = list(dict.fromkeys(where))
    return ", ".join(map(str, unique[:SHOWN])) + (" and more" if len(unique) > SHOWN else "")


def _unread(why: str) -> Signs:
    return Signs(why, "possible", form="notebook")


# Of `google.genai` the longest part: the module may be imported as `from google import genai`.
_NAMES = {max(name.split("."), key=len) for name in (*LIBRARIES, *LLM_LIBRARIES)}
_MENTIONED = re.compile("|".join((*map(re.escape, sorted(_NAMES)), LLM_HOSTS.pattern)).encode())
