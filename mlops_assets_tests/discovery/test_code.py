"""Which Python, R and SAS speaks for a model or a language model, and which does not."""

import json
from pathlib import Path

import pytest

from mlops_assets.discovery.search import discover

CASES = {
    "a fit with its library": ("a.py", "from sklearn.svm import SVC\nSVC().fit(x, y)", "script", "calls .fit in line 2, with sklearn"),
    "a training loop": ("a.py", "import torch\nloss.backward()", "script", ".backward in line 2, with torch"),
    "a function of the library": ("a.py", "import xgboost as x\nx.train({}, d)", "script", ".train in line 2"),
    "a client and its model": (
        "a.py", "import openai\nc.chat.completions.create(model='gpt-4o')", "LLM use",
        "calls chat.completions.create in line 2, with openai, model gpt-4o",
    ),
    "a chat class": ("a.py", "from langchain_openai import ChatOpenAI\nChatOpenAI()", "LLM use", "ChatOpenAI in line 2"),
    "a submodule": ("a.py", "from google import genai\nm.generate_content('x')", "LLM use", "with google.genai"),
    "weights by name": (
        "a.py", "from transformers import AutoModel\nAutoModel.from_pretrained('bert')", "LLM use", "model bert",
    ),
    "an address alone": ("a.py", "u = 'https://api.anthropic.com/v1'", "LLM use", "api.anthropic.com in line 1"),
    "an import alone": ("a.py", "import litellm", "LLM use", "imports litellm"),
    "glm of R itself": ("a.R", "m <- glm(y ~ x, data = d)", "script", "an R program that calls glm"),
    "predict with a package": ("a.r", "library(caret)\npredict(m, d)", "script", "predict, with caret"),
    "a chunk in a report": ("a.Rmd", "glm(\n```{r fit}\nranger::ranger(y ~ ., d)\n```\n", "script", "calls ranger"),
    "a language model in R": ("a.R", "library(ellmer)\nchat_openai()", "LLM use", "through ellmer"),
    "procedures of SAS": (
        "a.sas", "PROC Logistic data=a;run;\nproc hpforest;run;", "script", "proc logistic, proc hpforest",
    ),
}  # fmt: skip
NOTHING = {
    "a fit without a library": ("a.py", "scaler.fit(x)"),
    "a library without a call": ("a.py", "import sklearn"),
    "another generate": ("a.py", "import torch\nreport.regenerate()"),
    "an address in a comment": ("a.R", "# https://api.openai.com\nx <- 1"),
    "no Python": ("a.py", "import sklearn\nm.fit(("),
    "a test": ("test_a.py", "import sklearn\nm.fit(x, y)"),
    "a comment of R": ("a.R", "# glm(y ~ x)\nprint('glm(')"),
    "predict of anything": ("a.R", "predict(x)"),
    "a member named alike": ("a.R", "x$lm(1)\nmy.lm(2)"),
    "text around chunks": ("a.Rmd", "call glm(y ~ x)\n```{python}\nlm(1)\n```\n"),
    "comments of SAS": ("a.sas", "/* proc logistic */\n* proc reg data=a;\nproc sort data=a; run;"),
}


@pytest.mark.parametrize("case", CASES)
def test_code_is_named_with_what_it_calls(tmp_path: Path, case: str) -> None:
    name, text, form, said = CASES[case]
    (tmp_path / name).write_text(text, encoding="utf-8")
    (found,) = discover(str(tmp_path)).found
    assert found.form == form
    assert said in found.signs.why


@pytest.mark.parametrize("case", NOTHING)
def test_code_without_a_model_is_left_out(tmp_path: Path, case: str) -> None:
    name, text = NOTHING[case]
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert discover(str(tmp_path)).found == ()


def notebook(path: Path, *cells: str, output: str = "") -> None:
    code = [{"cell_type": "code", "source": text, "outputs": [output]} for text in cells]
    path.write_text(json.dumps({"cells": code}), encoding="utf-8")


def test_one_notebook_may_be_a_model_and_use_another(tmp_path: Path) -> None:
    notebook(tmp_path / "a.ipynb", "import sklearn, anthropic\nm.fit(x)", "c.messages.create(model='claude')")
    found = {one.form: one for one in discover(str(tmp_path)).found}
    assert set(found) == {"notebook", "LLM use"}
    assert found["notebook"].id != found["LLM use"].id
    assert "in cell 2" in found["LLM use"].signs.why


def test_what_code_is_changes_with_what_it_calls_and_its_content_with_each_word(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    notebook(path, "import sklearn\nm.fit(x)")
    (first,) = discover(str(tmp_path)).found
    notebook(path, "import sklearn\nm.fit(x)", output="drawn again")
    assert [one.digest for one in discover(str(tmp_path)).found] == [first.digest]
    notebook(path, "import sklearn\n\nm.fit(z)")
    (edited,) = discover(str(tmp_path)).found
    assert (edited.digest == first.digest, edited.basis == first.basis) == (False, True)
    notebook(path, "import sklearn\nm.fit(x)\nm.predict(x)")
    (other,) = discover(str(tmp_path)).found
    assert other.basis != first.basis


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.py", b"import sklearn\n" + b"(" * 100_000),
        ("a.py", b"import sklearn\x00\nm.fit(x)"),
        ("a.R", b"\xff\xfe" + b'"' * 100_000),
        ("a.Rmd", b"```{r" * 20_000),
        ("a.sas", b"/*" * 100_000 + b"*;" * 50_000),
    ],
)
def test_hostile_code_ends_no_search(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "plain.py").write_text("import sklearn\nm.fit(x, y)", encoding="utf-8")
    assert "plain" in {one.name for one in discover(str(tmp_path)).found}
