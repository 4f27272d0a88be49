"""The graph of one model: its stages, in the order in which data passes through them.

One row for each stage: what it holds and what it reads. Which gates decide on it is what the gates say (`Gate.stage`). How it
is done is in `pipeline/stages/`, one file for each part of the lifecycle.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from mlops_assets.pipeline.context import Stage


@dataclass(frozen=True)
class StageSpec:
    """One row of the graph.

    Attributes:
        name: last part of the asset key.
        deps: names of the stages it reads.
        description: what the asset holds, for the reviewer in the UI.
        kinds: at most three badges.
        checks: on its windows, each an asset check beside those of the gates.
        windowed: a partition for each monitoring window.
        reads_source: whether it reads the model's source.
        resources: Dagster resources that it needs beside the platform.
        load: imports the function that does the work; late, because it imports what it needs.
    """

    name: str
    deps: tuple[str, ...]
    description: str
    kinds: tuple[str, ...]
    load: Callable[[], Stage]
    checks: tuple[str, ...] = ()
    windowed: bool = False
    reads_source: bool = False
    resources: tuple[str, ...] = ()

    @property
    def gates(self) -> tuple[str, ...]:
        """Gates that decide on it and checks of its windows, each an asset check."""
        from mlops_assets.gates.registry import gates_of

        return (*self.checks, *(gate.name for gate in gates_of(self.name)))

    @property
    def blocking(self) -> tuple[str, ...]:
        """Gates that stop the run at once when they fail; the others decide at promotion."""
        from mlops_assets.gates.registry import gates_of

        return tuple(gate.name for gate in gates_of(self.name) if gate.stops)


def _in(module: str, function: str) -> Callable[[], Stage]:
    return lambda: getattr(import_module(f"mlops_assets.pipeline.stages.{module}"), function)


STAGES: tuple[StageSpec, ...] = (
    StageSpec(
        name="training_data",
        deps=(),
        description="Contract-checked snapshot of the training rows in Delta; bad rows are in quarantine with their "
        "reasons. The data version is the digest of the rows.",
        kinds=("delta", "pandera"),
        load=_in("data", "training_data"),
        reads_source=True,
    ),
    StageSpec(
        name="features",
        deps=("training_data",),
        description="The declared inputs of every training row, and which rows are fitted on and which are held out.",
        kinds=("delta", "scikitlearn"),
        load=_in("data", "features"),
    ),
    StageSpec(
        name="candidates",
        deps=("features",),
        description="Every algorithm tried: a nested MLflow run for each, cross-validated, seeds and environment pinned.",
        kinds=("mlflow", "scikitlearn"),
        load=_in("training", "candidates"),
        resources=("mlflow",),
    ),
    StageSpec(
        name="challenger",
        deps=("candidates",),
        description="The best candidate: registered, signed, without pickle.",
        kinds=("mlflow", "skops"),
        load=_in("training", "challenger"),
    ),
    StageSpec(
        name="reference_profile",
        deps=("features", "challenger"),
        description="What monitoring compares with: bin edges and counts of every input, of the score and of the target, "
        "and the performance on held-out rows.",
        kinds=("json",),
        load=_in("reference", "reference_profile"),
    ),
    StageSpec(
        name="evaluation",
        deps=("features", "challenger"),
        description="Performance on held-out rows with confidence intervals, against the champion on the same rows; "
        "slices, calibration, robustness, stability of the training, cost.",
        kinds=("mlflow",),
        load=_in("evaluation", "evaluation"),
    ),
    StageSpec(
        name="fairness",
        deps=("features", "challenger"),
        description="Selection and error rates over the groups of protected attributes, with sizes and intervals.",
        kinds=("fairlearn",),
        load=_in("evaluation", "fairness"),
    ),
    StageSpec(
        name="explanations",
        deps=("features", "challenger"),
        description="What drives the scores, and the reason codes of adverse decisions with how true they are.",
        kinds=("mlflow",),
        load=_in("evaluation", "explanations"),
    ),
    StageSpec(
        name="model_card",
        deps=("training_data", "candidates", "reference_profile", "evaluation", "fairness", "explanations"),
        description="The model card as Markdown, HTML and CycloneDX, checked against the requirement profiles.",
        kinds=("html", "cyclonedx"),
        load=_in("release", "model_card"),
    ),
    StageSpec(
        name="approval",
        deps=("model_card",),
        description="Who has approved what, in which role, over which digests. Pending is a state, not a failure: the "
        "metadata names what is missing and the command that supplies it.",
        kinds=("signature",),
        load=_in("release", "approval"),
    ),
    StageSpec(
        name="champion",
        deps=("approval",),
        description="The version that decides. Promotion looks every gate decision and every signature up again.",
        kinds=("mlflow", "signature"),
        load=_in("release", "champion"),
    ),
    StageSpec(
        name="predictions",
        deps=("champion",),
        description="What the deciding version predicts of each row of the window, with an id for each row; beside it what the "
        "challenger predicts. "
        "Rows that break the contract are in quarantine, never dropped.",
        kinds=("delta",),
        load=_in("predictions", "predictions"),
        checks=("input_contract",),
        windowed=True,
        reads_source=True,
    ),
    StageSpec(
        name="outcomes",
        deps=("predictions",),
        description="What turned out to be true, as far as it is known.",
        kinds=("delta",),
        load=_in("outcomes", "outcomes"),
        windowed=True,
        reads_source=True,
    ),
    StageSpec(
        name="drift",
        deps=("predictions", "reference_profile"),
        description="Inputs and score of the window against the reference: size and significance of every change.",
        kinds=("polars",),
        load=_in("drift", "drift"),
        checks=("severity",),
        windowed=True,
    ),
    StageSpec(
        name="performance",
        deps=("predictions", "outcomes", "reference_profile", "drift"),
        description="Metrics on matured outcomes against the reference; an estimate, labelled so, where none have matured.",
        kinds=("polars",),
        load=_in("performance", "performance"),
        checks=("severity",),
        windowed=True,
    ),
    StageSpec(
        name="health",
        deps=("drift", "performance"),
        description="One verdict for the window: severity, kind, why, and the action.",
        kinds=("verdict",),
        load=_in("health", "health"),
        checks=("severity",),
        windowed=True,
    ),
)


def training_stages(stages: Sequence[StageSpec]) -> list[str]:
    """Names of the stages from rows to champion."""
    return [stage.name for stage in stages if not stage.windowed]


def window_stages(stages: Sequence[StageSpec]) -> list[str]:
    """Names of the stages of a monitoring window."""
    return [stage.name for stage in stages if stage.windowed]


WINDOW_CHECKS = {
    "input_contract": "Do the rows to be scored meet the declared contract?",
    "severity": "Is the window's severity below act?",
}


def question(check: str) -> str:
    """The question that a check answers."""
    from mlops_assets.gates.registry import GATES

    return WINDOW_CHECKS[check] if check in WINDOW_CHECKS else GATES[check].question
