"""Code that fits a model finds no key, password or address of a store in its environment."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from mlops_assets.extensions import Candidate, Settings
from mlops_assets.registration import registered
from mlops_assets.training.candidates import fit_candidates
from mlops_assets.training.fitting import without_secrets
from mlops_assets_tests.training.estimators import Scorecard
from mlops_assets_tests.training.tables import declare, table

SECRETS = (
    "MLOPS_LEDGER_URL", "MLOPS_SIGNER", "MLOPS_AUTOMATION_KEY", "MLOPS_SOURCE_LOANS", "MLFLOW_TRACKING_URI",
    "MLFLOW_TRACKING_PASSWORD", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "PGPASSWORD", "bank_api_token", "SENTRY_DSN",
)  # fmt: skip
KEPT = ("PATH", "HOME", "OMP_NUM_THREADS", "MLOPS_HOME", "MONKEY", "KEYBOARD")
SEEN: list[set[str]] = []


class Curious(Scorecard):
    """Looks around while it is fitted."""

    def fit(self, matrix: Any, target: Any) -> "Curious":
        SEEN.append(set(os.environ))
        super().fit(matrix, target)
        return self


def build(declaration: Any, rows: int) -> Curious:
    SEEN.append(set(os.environ))
    return Curious()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SECRETS, *KEPT):
        monkeypatch.setenv(name, os.environ.get(name) or "x")


def test_a_candidate_sees_none_of_them(environment: None):
    SEEN.clear()
    with registered(Candidate("curious", build, form="trees", settings=Settings, complexity=1)):
        fit_candidates(declare(candidates=["curious", "linear"]), table(600))
    assert len(SEEN) > 2, "when it was built and in each fold"
    assert set.union(*SEEN) & set(SECRETS) == set()
    assert set(KEPT) <= set.intersection(*SEEN)
    assert set(SECRETS) <= set(os.environ), "they are back afterwards"


def test_neither_does_a_process_that_it_starts(environment: None):
    with without_secrets():
        run = subprocess.run(
            [sys.executable, "-c", "import json, os; print(json.dumps(list(os.environ)))"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    assert set(json.loads(run.stdout)) & set(SECRETS) == set()


def test_they_are_back_after_a_failure(environment: None):
    with pytest.raises(ZeroDivisionError), without_secrets():
        _ = 1 / 0
    assert set(SECRETS) <= set(os.environ)
