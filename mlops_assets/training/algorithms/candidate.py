"""What a candidate is: an algorithm that a declaration may name, and how its estimator is built.

One file for each algorithm, beside this one or in a bank's own project. Not here: comparing and fitting candidates
(`training/candidates.py`, `training/fitting.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.features.transformer import Form
from mlops_assets.registration import Extension, Known

HARDEST = 9


@dataclass(frozen=True)
class Candidate(Extension):
    """One algorithm.

    Attributes:
        name: that declarations list under `candidates`.
        build: an unfitted scikit-learn estimator, given the declaration, the number of rows that it will be fitted on, and the
            declared parameters. A `random_state` that it leaves at None is seeded.
        form: of the features that it reads: `linear` (scaled, encoded, nothing missing) or `trees` (as they are).
        settings: model of the declared parameters, a subclass of `Settings`; None: they are not checked before it is built.
        complexity: how hard the model is to explain, from 1 (linear) to 9. Where two candidates are about as good, the lower
            one is chosen.
        threads: number of threads that it may be fitted with; more than one only where that gives the same model bit for bit.
    """

    KIND: ClassVar[str] = "candidates"

    name: str
    build: Callable[..., Any]
    form: Form = "linear"
    settings: type[BaseModel] | None = None
    complexity: int = HARDEST
    threads: int = 1

    def objections(self) -> list[str]:
        """What keeps it from being used."""
        return [] if self.form in ("linear", "trees") else [f"its form is {self.form!r}, expected linear or trees"]


CANDIDATES: Known[Candidate] = Known(Candidate)


def seed_of(declaration: Declaration) -> int:
    """The declared seed as scikit-learn takes it."""
    return declaration.training.seed % 2**32
