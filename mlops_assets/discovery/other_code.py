"""Do R or SAS programs train or use a model? Their text is looked through, never run.

Neither language has a parser here: comments and texts are taken out, and the names of procedures and functions are looked for.
"""

import re
from collections.abc import Callable
from pathlib import Path

from mlops_assets.discovery.python_code import LLM_HOSTS, READ_AT_MOST
from mlops_assets.discovery.signs import Signs

R_PACKAGES = (
    *("caret", "tidymodels", "parsnip", "randomForest", "ranger", "xgboost", "lightgbm", "catboost", "gbm", "glmnet"),
    *("rpart", "mgcv", "e1071", "nnet", "neuralnet", "h2o", "mlr3", "survival", "forecast", "fable", "prophet"),
    *("scorecard", "smbinning", "keras", "torch", "lme4", "kernlab", "party", "partykit", "MASS"),
)
R_LLM_PACKAGES = ("ellmer", "openai", "chatgpt", "tidyllm", "rollama", "chattr", "gptstudio", "httr2.openai")
R_CALLS = (
    *("glm", "lm", "glm.nb", "randomForest", "ranger", "xgb.train", "xgb.cv", "xgboost", "lgb.train", "catboost.train"),
    *("gbm", "glmnet", "cv.glmnet", "rpart", "gam", "svm", "nnet", "neuralnet", "coxph", "survreg", "arima"),
    *("auto.arima", "ets", "prophet", "lmer", "glmer", "ctree", "cforest", "ksvm", "polr", "stepAIC", "train"),
    *("h2o.glm", "h2o.gbm", "h2o.randomForest", "h2o.deeplearning", "h2o.automl", "woebin", "scorecard", "predict"),
)
"""Functions that fit or use a model; `lm`, `glm` and `predict` are in R itself."""
SAS_PROCEDURES = (
    *("logistic", "reg", "glm", "genmod", "glmselect", "hplogistic", "hpgenselect", "hpforest", "hpsplit", "hpneural"),
    *("hpsvm", "logselect", "regselect", "gradboost", "forest", "treesplit", "svmachine", "neural", "nnet", "phreg"),
    *("lifereg", "mixed", "glimmix", "nlmixed", "probit", "arima", "esm", "arboretum", "dmreg", "gampl", "adaptivereg"),
    *("score", "astore", "plm", "discrim", "robustreg", "quantreg", "severity", "countreg", "qlim", "autoreg"),
)
"""Procedures that fit or use a model."""
CALLED = re.compile(rf"(?<![\w.$])({'|'.join(map(re.escape, R_CALLS))})\s*\(")
LIBRARY = re.compile(r"\b(?:library|require|requireNamespace)\s*\(\s*[\"']?([\w.]+)|\b([\w.]+)::")
PROCEDURE = re.compile(rf"\bproc\s+({'|'.join(SAS_PROCEDURES)})\b", re.IGNORECASE)
CHUNK = re.compile(r"^[ \t]*```+\s*\{r\b[^}]*\}(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE | re.IGNORECASE)
SHOWN = 8


def signs_in_r(path: Path) -> list[Signs]:
    """Why the R program is thought to hold a model or to call a language model; nothing when it calls neither.

    Raises:
        OSError: it cannot be read.
    """
    text = _read(path)
    if path.suffix.lower() != ".r":
        text = "\n".join(CHUNK.findall(text))
    # Texts are kept while addresses are looked for, and taken out before functions are.
    uncommented = re.sub(r"(?m)(\"[^\"\n]*\"|'[^'\n]*')|#.*$", lambda m: m.group(1) or "", text)
    host = LLM_HOSTS.search(uncommented)
    packages = {a or b for a, b in LIBRARY.findall(uncommented)}
    code = re.sub(r"\"[^\"\n]*\"|'[^'\n]*'", '""', uncommented)
    calls = list(dict.fromkeys(CALLED.findall(code)))
    models = [name for name in R_PACKAGES if name in packages]
    speakers = [name for name in R_LLM_PACKAGES if name in packages]
    found = []
    # A call of `predict` or `train` alone may be about anything.
    if [name for name in calls if name not in ("predict", "train")] or (calls and models):
        why = f"an R program that calls {_listed(calls)}" + (f", with {', '.join(models)}" if models else "")
        found.append(Signs(why, form="script", basis=f"{sorted(calls)} {models}"))
    if host or speakers:
        means = [*([host.group()] if host else []), *speakers]
        why = f"an R program that calls a language model through {', '.join(means)}"
        found.append(Signs(why, form="LLM use", basis=str(means)))
    return found


def signs_in_sas(path: Path) -> list[Signs]:
    """Why the SAS program is thought to hold a model; nothing when it runs no procedure that would tell.

    Raises:
        OSError: it cannot be read.
    """
    text = re.sub(r"/\*.*?\*/", " ", _read(path), flags=re.DOTALL)
    text = re.sub(r"(?m)(^|;)\s*%?\*[^;]*;", r"\1 ", text)
    procedures = list(dict.fromkeys(name.lower() for name in PROCEDURE.findall(text)))
    if not procedures:
        return []
    why = f"a SAS program that runs {_listed([f'proc {name}' for name in procedures])}"
    return [Signs(why, form="script", basis=str(sorted(procedures)))]


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(READ_AT_MOST).decode("utf-8", "replace")


def _listed(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


READERS: dict[str, Callable[[Path], list[Signs]]] = {
    ".r": signs_in_r,
    ".rmd": signs_in_r,
    ".qmd": signs_in_r,
    ".sas": signs_in_sas,
}
