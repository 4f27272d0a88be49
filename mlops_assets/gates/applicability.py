"""Which gates can say nothing about a model, because of where it runs or of what is known of it.

Belongs here: the reasons. That such a gate is recorded as not applicable, and never as passed, is `registry.decide_stage`'s; that
nothing else may be recorded so is checked wherever decisions are looked up.
"""

from collections.abc import Mapping

from mlops_assets.declaration.declaration import Declaration

OF_EXTERNAL: Mapping[str, str] = {
    "artifact": "the model is the supplier's and not here: what is signed is how its predictions are read",
    "parity": "the supplier makes the features and the score, so there is nothing of ours to compare",
    "robustness": "the model cannot be called with other inputs, so its answer to small errors is not known",
    "stability": "the model is not trained here, so it cannot be trained again",
    "cost": "the model does not run here",
    "reason_codes": "the model cannot be called, so reasons of its decisions cannot be computed here; the supplier owes them",
}
"""Gates that need the model itself, which nobody here has."""
OF_IMPORTED: Mapping[str, str] = {
    "stability": "the model was trained elsewhere, so it cannot be trained again here",
}
"""Gates that need the training of the model."""
WITHOUT_INPUTS: Mapping[str, str] = {
    "leakage": "the supplier does not say what the model reads, so no input can be looked at",
    "proxy": "the supplier does not say what the model reads, so no input can be looked at",
}
"""Gates that need the model's inputs."""


def not_applicable(declaration: Declaration) -> Mapping[str, str]:
    """Gates that cannot apply to the model, with the reason; none to a model that is trained here."""
    if declaration.imported is not None:
        return OF_IMPORTED
    if declaration.external is None:
        return {}
    return OF_EXTERNAL if declaration.features else {**OF_EXTERNAL, **WITHOUT_INPUTS}
