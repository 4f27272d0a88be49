"""The sentences of a verdict, from typed data, in one pattern: what, how large, since when, how sure, what to do.

    Outcomes are more frequent than the model predicted: base rate 0.252, predicted 0.158, in the reference 0.150; 5 windows in a
    row since 2004-04-01 (p 1e-54). To do by policy: open an incident, retrain the model.

Belongs here: every wording of a verdict. Not here: which change is found (`input_causes.py`, `outcome_causes.py`,
`accumulated_causes.py`), and signs of single columns (`inputs/`), whose texts are quoted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlops_assets.monitoring.severity import Kind
from mlops_assets.monitoring.wording import KIND_NAMES, metric_name, sentence, shown_p

FIRST_SEEN = "first seen in this window"
MOST_NAMED = 4
MOST_FAULTS = 8


@dataclass(frozen=True)
class Change:
    """One change, in the order in which its clause states it.

    Attributes:
        what: happened, as a clause without numbers.
        size: how large it is.
        since: when it began, where that is known without the windows before.
        sure: how sure it is: a p-value, or what else speaks for it.
    """

    what: str
    size: str = ""
    sure: str = ""
    since: str = ""

    def clause(self, since: str = "") -> str:
        """The change as a clause; `since` is said where the change itself does not know."""
        text = ": ".join(filter(None, (self.what, self.size)))
        text = "; ".join(filter(None, (text, self.since or since)))
        return f"{text} ({self.sure})" if self.sure else text


def clauses(changes: Sequence[Change], since: str = "") -> str:
    """Changes that belong together, in one clause; when they began is said once."""
    return "; ".join(change.clause(since if i == 0 else "") for i, change in enumerate(changes))


# What single windows show.


def delivery_broken(texts: Sequence[str]) -> Change:
    """The delivery as a whole is broken; `texts` say how."""
    return Change("the delivery is broken", "; ".join(texts), "no changed population looks like this")


def columns_broken(texts: Sequence[str], certain: bool) -> Change:
    """Columns with a sign of a fault; `texts` say which."""
    what = "1 column looks broken" if len(texts) == 1 else f"{len(texts)} columns look broken"
    size = "; ".join(texts[:MOST_FAULTS])
    if len(texts) > MOST_FAULTS:
        size += f"; and {len(texts) - MOST_FAULTS} more"
    sure = "no changed population looks like this" if certain else "a changed population may look like this too"
    return Change(what, size, sure)


def new_classes(classes: Mapping[str, int], measured: int) -> Change:
    """Outcomes of classes that the reference does not have, with their rows; `measured`: rows of other outcomes."""
    rows = sum(classes.values())
    what = f"the outcome has {'a class' if len(classes) == 1 else 'classes'} that the reference does not have"
    names = ", ".join(f"{label!r}" for label in list(classes)[:MOST_NAMED])
    size = f"{names}, in {rows} of {rows + measured} rows ({rows / (rows + measured):.1%})"
    return Change(what, size, "counted; the other rows are measured")


def inputs_moved(columns: Sequence[tuple[str, str]], scores_too: bool, of: int) -> Change:
    """Inputs whose distribution moved: name and size of each, the most important first; `of`: columns compared."""
    what = f"{len(columns)} input{'s' if len(columns) > 1 else ''} moved" + (", and the scores" if scores_too else "")
    size = _named(columns)
    return Change(what, size, f"p-values are adjusted over {of} columns" if of > 1 else "")


def scores_moved(size: str) -> Change:
    """Scores moved while no single input did."""
    return Change(
        "the scores moved while no single input did", size, "the cause cannot be told from inputs and scores alone"
    )


def implied_base_rate(implied: float, reference: float) -> Change:
    """Scores moved as they would if the base rate alone had."""
    size = f"as if the base rate were {implied:.3f}, against {reference:.3f} in the reference"
    return Change("the scores moved while no input did", size, "an estimate, because no outcomes are known yet")


def moved_together(found: str, p_value: float | None) -> Change:
    """Inputs changed only in how they go together; `found` says by what."""
    return Change("inputs changed in how they go together, though none moved alone", found, shown_p(p_value))


def quality_fell(
    metric: str,
    window: float,
    reference: float,
    p_value: float | None,
    *,
    by_inputs: float | None = None,
    moved: str = "",
) -> Change:
    """Quality is lower than in the reference.

    Args:
        metric: that it is measured by.
        window, reference: its values.
        p_value: of the loss, or of the part that inputs do not explain.
        by_inputs: share of the loss that moved inputs explain; None where nothing is known of that.
        moved: what moved, in words.
    """
    size = f"{metric_name(metric)} {window:.3f} against {reference:.3f} in the reference"
    if by_inputs is not None:
        size += f", {by_inputs:.0%} of the loss from other {moved} and {1 - by_inputs:.0%} from a changed relation"
    return Change("model performance fell", size, shown_p(p_value))


def same_meaning() -> Change:
    """What a loss without a changed relation means."""
    return Change("the same scores still have the same outcomes, so the relation that the model learned holds")


def relation_changed(size: float, p_value: float | None) -> Change:
    """The same scores have other outcomes, by `size` in units of the outcome."""
    what = "the same scores have other outcomes than in the reference"
    return Change(what, f"{size:.3f} apart beyond a shift that all scores share", shown_p(p_value))


def confined_to(where: str) -> Change:
    """The part of the rows that a change is confined to."""
    return Change(f"the change is largest {where}")


@dataclass(frozen=True)
class Outcomes:
    """Outcomes beside what the model predicted.

    Attributes:
        name: of the number: base rate, mean outcome, share of a class.
        window, predicted, reference: its values.
        p_value: of the difference.
        number: outcomes are numbers, not events.
    """

    name: str
    window: float
    predicted: float
    reference: float
    p_value: float | None
    number: bool = False


def outcomes_moved(found: Outcomes, *, followed_inputs: bool = True) -> Change:
    """Outcomes are not what the model predicted; `followed_inputs`: no inputs moved, or outcomes moved with them."""
    more = found.window > found.predicted
    direction = ("higher" if more else "lower") if found.number else f"{'more' if more else 'less'} frequent"
    what = f"outcomes are {direction} than the model predicted"
    if not followed_inputs:
        what = "inputs moved and outcomes did not follow them"
    size = f"{found.name} {found.window:.3f}, predicted {found.predicted:.3f}, in the reference {found.reference:.3f}"
    return Change(what, size, shown_p(found.p_value))


def outcomes_apart(change: float, p_value: float | None) -> Change:
    """Outcomes are above or below the predictions, where no rate is known."""
    return Change(
        f"outcomes are {'higher' if change > 0 else 'lower'} than the model predicted",
        f"by {abs(change):.3f}",
        shown_p(p_value),
    )


def look_censored(value: int) -> Change:
    """Nearly all outcomes are one value."""
    return Change(f"nearly all outcomes are {value}, so they look censored or immature")


# What several windows show together.


@dataclass(frozen=True)
class Span:
    """Windows that show a change together: the first of them, their number, and the p-value over the version's windows."""

    since: str
    windows: int
    p_value: float

    @property
    def text(self) -> str:
        """Since when."""
        return f"{self.windows} windows since {self.since}" if self.windows > 1 else f"since {self.since}"

    @property
    def sure(self) -> str:
        """How sure, over all windows and looks."""
        return f"{shown_p(self.p_value)} over all windows of the version"


def quality_fell_over(
    metric: str, size: float, at_least: float, against: str, inputs_moved: bool, span: Span
) -> Change:
    """Quality is lower over several windows than in the reference, or than in the windows before."""
    what = f"model performance is lower than in {against}" + (", while inputs moved" if inputs_moved else "")
    return Change(
        what, f"{metric_name(metric)} by {size:.3f} on average, at least {at_least:.3f}", span.sure, span.text
    )


def relation_changed_over(size: float, span: Span) -> Change:
    """The same scores have other outcomes over several windows."""
    what = "the same scores have other outcomes than in the reference"
    said = f"{size:.2f} standard deviations apart on average, beyond a shift that all scores share"
    return Change(what, said, span.sure, span.text)


def outcomes_moved_over(size: float, at_least: float, number: bool, against: str, span: Span) -> Change:
    """Outcomes are not what the model predicted over several windows; in standard deviations for numbers, else relative."""
    more = size > 0
    direction = ("higher" if more else "lower") if number else f"{'more' if more else 'less'} frequent"
    beyond = "" if against == "the reference" else f" more than in {against}"
    unit = "standard deviations of the target" if number else "of the base rate"
    shown = (f"{abs(size):.3f}", f"{at_least:.3f}") if number else (f"{abs(size):.0%}", f"{at_least:.0%}")
    said = f"by {shown[0]} {unit} on average, at least {shown[1]}{beyond}"
    return Change(f"outcomes are {direction} than the model predicted", said, span.sure, span.text)


def inputs_moved_over(columns: Sequence[tuple[str, float]], span: Span) -> Change:
    """Inputs moved over several windows: name and mean PSI of each."""
    what = f"{len(columns)} input{'s' if len(columns) > 1 else ''} moved, seen over several windows"
    return Change(what, _named([(name, f"PSI {size:.2f} on average") for name, size in columns]), span.sure, span.text)


def _named(columns: Sequence[tuple[str, str]]) -> str:
    named = ", ".join(f"{name} ({size})" for name, size in columns[:MOST_NAMED])
    return named + (f", and {len(columns) - MOST_NAMED} more" if len(columns) > MOST_NAMED else "")


# The verdict as a whole.


def finding(changes: Sequence[Change], run: Sequence[str]) -> str:
    """The first cause as a sentence; `run`: the windows in a row before this one that showed its kind."""
    since = f"{len(run) + 1} windows in a row since {run[0]}" if run else FIRST_SEEN
    return sentence(clauses(changes, since))


ACTIONS: Mapping[str, str] = {
    "none": "nothing",
    "watch": "keep watching",
    "incident": "open an incident",
    "quarantine_window": "leave the window out of training",
    "retrain": "retrain the model",
    "suspend": "suspend the model",
}
ADVICE: Mapping[Kind, str] = {
    "none": "",
    "data_quality": "repair the data before these rows are used, because a model retrained on them would learn the fault",
    "covariate_shift": "check whether the model still performs well on these inputs",
    "label_shift": "recalibrate the scores before they are used as probabilities",
    "concept_drift": "retrain the model on recent rows, or suspend it",
}
"""What to do where no policy attaches an action."""
NO_ACTION = "Nothing to do: keep monitoring."


def what_to_do(
    kind: Kind, actions: Sequence[str], *, act: bool, waits: bool, persistence: tuple[int, int], others: Sequence[Kind]
) -> str:
    """What to do, and which other causes there are.

    Args:
        kind: of the first cause.
        actions: of the policy.
        act: whether the verdict is to be acted on.
        waits: whether the change is large enough to act on, and was not seen in enough windows yet.
        persistence: in how many of how many windows it must be seen.
        others: kinds of the other causes.
    """
    if actions:
        text = f"To do by policy: {', '.join(ACTIONS.get(a, a.replace('_', ' ')) for a in actions)}."
    elif act:
        text = f"To do: {ADVICE[kind]}."
    elif waits:
        text = f"Nothing to do yet: it must be seen in {persistence[0]} of {persistence[1]} windows. Keep monitoring."
    else:
        text = NO_ACTION
    named = dict.fromkeys(KIND_NAMES[other] for other in others)
    return f"{text} Also found: {', '.join(named)}." if named else text


def outcomes_agree(metric: str, least: float | None) -> str:
    """Outcomes show nothing; `least`: the smallest loss of quality that would have been found."""
    found = f" (a loss of {metric_name(metric)} of {least:.3f} would have been found)" if least else ""
    return f"Outcomes agree with the scores{found}. {NO_ACTION}"


def outcomes_not_known() -> str:
    """Nothing is found, and outcomes are still to come."""
    return f"Whether outcomes agree with the scores is not known yet. {NO_ACTION}"


def quality_not_measurable(why: str) -> str:
    """Outcomes are known, and too few or too unsteady to tell a loss; `why` says what would help."""
    return f"Performance is not measurable: {sentence(why)}"


def too_small() -> str:
    """The window has too few rows for any verdict."""
    return f"The window is too small for a verdict. {NO_ACTION}"


NEEDS_OUTCOMES = "Label shift and concept drift need outcomes, and too few are known."


def chance_in_the_fleet(models: int, judged: int, adjusted: float, alpha: float) -> str:
    """An alarm that the number of models explains."""
    return (
        f"Nothing to do yet: among the windows of {models} models, {judged} of them judged by now, one like this is to be "
        f"expected by chance (p {adjusted:.2g} over the fleet, {alpha:g} is asked)."
    )
