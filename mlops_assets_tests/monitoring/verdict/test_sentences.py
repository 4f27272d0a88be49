"""Every verdict is said in one pattern: what, how large, since when, how sure, what to do. Run with -s to read them."""

import re

import pytest

from mlops_assets.monitoring.verdict import sentences as say
from mlops_assets.monitoring.verdict.sentences import Change, Outcomes, Span

SPAN = Span("2007-07-01", 4, 7e-9)
EVENTS = Outcomes("base rate", 0.2521, 0.1583, 0.1502, 1e-54)
AMOUNTS = Outcomes("mean outcome", 10.2, 12.5, 12.4, 3e-4, number=True)
CLASS = Outcomes("share of class 'c'", 0.4, 0.25, 0.25, 1e-8)
MOVED = [(f"x{i}", f"PSI 0.{i}0 net of noise, p 0.001") for i in range(1, 7)]

CASES: dict[str, tuple[tuple[Change, ...], str]] = {
    # kind of change: its parts, the clause without since when
    "delivery": (
        (say.delivery_broken(["all 1000 rows are the rows of window 2024-01: the batch was sent again"]),),
        "the delivery is broken: all 1000 rows are the rows of window 2024-01: the batch was sent again "
        "(no changed population looks like this)",
    ),
    "one broken column": (
        (say.columns_broken(["age is missing in 31.0% of the rows, against 0.1% in the reference"], True),),
        "1 column looks broken: age is missing in 31.0% of the rows, against 0.1% in the reference "
        "(no changed population looks like this)",
    ),
    "columns that may be broken": (
        (say.columns_broken([f"c{i} is missing" for i in range(10)], False),),
        "10 columns look broken: c0 is missing; c1 is missing; c2 is missing; c3 is missing; c4 is missing; c5 is missing; "
        "c6 is missing; c7 is missing; and 2 more (a changed population may look like this too)",
    ),
    "new class": (
        (say.new_classes({"d": 12}, 988),),
        "the outcome has a class that the reference does not have: 'd', in 12 of 1000 rows (1.2%) "
        "(counted; the other rows are measured)",
    ),
    "an input": (
        (say.inputs_moved(MOVED[:1], False, 12),),
        "1 input moved: x1 (PSI 0.10 net of noise, p 0.001) (p-values are adjusted over 12 columns)",
    ),
    "inputs and scores": (
        (say.inputs_moved(MOVED, True, 12),),
        "6 inputs moved, and the scores: x1 (PSI 0.10 net of noise, p 0.001), x2 (PSI 0.20 net of noise, p 0.001), "
        "x3 (PSI 0.30 net of noise, p 0.001), x4 (PSI 0.40 net of noise, p 0.001), and 2 more "
        "(p-values are adjusted over 12 columns)",
    ),
    "scores alone": (
        (say.scores_moved("PSI 0.30 net of noise, p 1e-05"),),
        "the scores moved while no single input did: PSI 0.30 net of noise, p 1e-05 (the cause cannot be told from inputs and scores alone)",
    ),
    "implied base rate": (
        (say.implied_base_rate(0.4, 0.2),),
        "the scores moved while no input did: as if the base rate were 0.400, against 0.200 in the reference "
        "(an estimate, because no outcomes are known yet)",
    ),
    "together": (
        (say.moved_together("the correlation of a and b is 0.01 against 0.90 in the reference", 2e-9),),
        "inputs changed in how they go together, though none moved alone: the correlation of a and b is 0.01 against 0.90 in "
        "the reference (p 2e-09)",
    ),
    "told apart": (
        (say.moved_together("a classifier tells window and reference apart (AUC 0.764)", 1e-30),),
        "inputs changed in how they go together, though none moved alone: a classifier tells window and reference apart "
        "(AUC 0.764) (p 1e-30)",
    ),
    "quality": (
        (say.quality_fell("roc_auc", 0.672, 0.721, 6e-5), say.same_meaning()),
        "model performance fell: AUC 0.672 against 0.721 in the reference (p 6e-05); the same scores still have the same "
        "outcomes, so the relation that the model learned holds",
    ),
    "quality and relation": (
        (
            say.quality_fell("roc_auc", 0.672, 0.721, 6e-5, by_inputs=0.18, moved="inputs"),
            say.relation_changed(0.028, 9e-4),
            say.confined_to("where state = CA (12% of the rows, 80% of the additional loss)"),
        ),
        "model performance fell: AUC 0.672 against 0.721 in the reference, 18% of the loss from other inputs and 82% from a "
        "changed relation (p 6e-05); the same scores have other outcomes than in the reference: 0.028 apart beyond a shift "
        "that all scores share (p 0.0009); the change is largest where state = CA (12% of the rows, 80% of the additional "
        "loss)",
    ),
    "events": (
        (say.outcomes_moved(EVENTS), say.look_censored(0)),
        "outcomes are more frequent than the model predicted: base rate 0.252, predicted 0.158, in the reference 0.150 "
        "(p 1e-54); nearly all outcomes are 0, so they look censored or immature",
    ),
    "amounts": (
        (say.outcomes_moved(AMOUNTS),),
        "outcomes are lower than the model predicted: mean outcome 10.200, predicted 12.500, in the reference 12.400 "
        "(p 0.0003)",
    ),
    "a class": (
        (say.outcomes_moved(CLASS),),
        "outcomes are more frequent than the model predicted: share of class 'c' 0.400, predicted 0.250, in the reference "
        "0.250 (p 1e-08)",
    ),
    "outcomes that did not follow": (
        (say.outcomes_moved(EVENTS, followed_inputs=False),),
        "inputs moved and outcomes did not follow them: base rate 0.252, predicted 0.158, "
        "in the reference 0.150 (p 1e-54)",
    ),
    "outcomes without a rate": (
        (say.outcomes_apart(-0.2, None),),
        "outcomes are lower than the model predicted: by 0.200 (p not known)",
    ),
    "quality over windows": (
        (say.quality_fell_over("roc_auc", 0.021, 0.008, "the windows before", True, SPAN),),
        "model performance is lower than in the windows before, while inputs moved: AUC by 0.021 on average, at least 0.008; "
        "4 windows since 2007-07-01 (p 7e-09 over all windows of the version)",
    ),
    "relation over windows": (
        (say.relation_changed_over(0.11, SPAN),),
        "the same scores have other outcomes than in the reference: 0.11 standard deviations apart on average, beyond a shift "
        "that all scores share; 4 windows since 2007-07-01 (p 7e-09 over all windows of the version)",
    ),
    "events over windows": (
        (say.outcomes_moved_over(0.2, 0.1, False, "the reference", SPAN),),
        "outcomes are more frequent than the model predicted: by 20% of the base rate on average, at least 10%; "
        "4 windows since 2007-07-01 (p 7e-09 over all windows of the version)",
    ),
    "amounts over windows": (
        (say.outcomes_moved_over(-0.2, 0.1, True, "the windows before", Span("2007-07-01", 1, 0.01)),),
        "outcomes are lower than the model predicted: by 0.200 standard deviations of the target on average, at least 0.100 "
        "more than in the windows before; since 2007-07-01 (p 0.01 over all windows of the version)",
    ),
    "inputs over windows": (
        (say.inputs_moved_over([("age", 0.12), ("term", 0.09)], SPAN),),
        "2 inputs moved, seen over several windows: age (PSI 0.12 on average), term (PSI 0.09 on average); "
        "4 windows since 2007-07-01 (p 7e-09 over all windows of the version)",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_how_large_since_when_how_sure(name: str) -> None:
    changes, clause = CASES[name]
    assert say.clauses(changes) == clause
    for run, since in (([], say.FIRST_SEEN), (["2004-04-01", "2004-07-01"], "3 windows in a row since 2004-04-01")):
        said = say.finding(changes, run)
        print(said)
        assert said[0].isupper() or said[0].isdigit()
        assert said.endswith(".")
        own = bool(changes[0].since)
        assert (since in said) is not own, "since when is said once"
        assert said.count("since ") <= 1
    first = changes[0]
    parts = [first.what, first.size, first.since, first.sure]
    places = [clause.index(part) for part in parts if part]
    assert places == sorted(places)
    assert first.sure


def test_every_wording_has_an_example() -> None:
    made = {name for name, value in vars(say).items() if getattr(value, "__annotations__", {}).get("return") is Change}
    with open(__file__, encoding="utf-8") as file:
        assert made == {name for name in re.findall(r"say\.(\w+)\(", file.read()) if name in made}


@pytest.mark.parametrize(
    ("actions", "act", "waits", "others", "said"),
    [
        (["incident", "retrain"], True, True, [], "To do by policy: open an incident, retrain the model."),
        (["incident", "quarantine_window"], True, True, ["label_shift", "label_shift"],
         "To do by policy: open an incident, leave the window out of training. Also found: label shift."),
        (["a bank's own"], True, True, [], "To do by policy: a bank's own."),
        ([], True, True, [], "To do: retrain the model on recent rows, or suspend it."),
        ([], False, True, [], "Nothing to do yet: it must be seen in 2 of 3 windows. Keep monitoring."),
        ([], False, False, ["data_quality"], "Nothing to do: keep monitoring. Also found: data quality."),
    ],
)  # fmt: skip
def test_what_to_do(actions, act, waits, others, said) -> None:  # type: ignore[no-untyped-def]
    asked = say.what_to_do("concept_drift", actions, act=act, waits=waits, persistence=(2, 3), others=others)
    print(asked)
    assert asked == said


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (
            say.outcomes_agree("roc_auc", 0.021),
            "Outcomes agree with the scores (a loss of AUC of 0.021 would have been found). Nothing to do: keep monitoring.",
        ),
        (say.outcomes_agree("", None), "Outcomes agree with the scores. Nothing to do: keep monitoring."),
        (
            say.outcomes_not_known(),
            "Whether outcomes agree with the scores is not known yet. Nothing to do: keep monitoring.",
        ),
        (
            say.quality_not_measurable("a loss of AUC below 0.200 would rather be missed than seen"),
            "Performance is not measurable: A loss of AUC below 0.200 would rather be missed than seen.",
        ),
        (say.too_small(), "The window is too small for a verdict. Nothing to do: keep monitoring."),
        (
            say.chance_in_the_fleet(30, 12, 0.2, 0.05),
            "Nothing to do yet: among the windows of 30 models, 12 of them judged by now, one like this is to be expected by "
            "chance (p 0.2 over the fleet, 0.05 is asked).",
        ),
    ],
)
def test_without_a_change(made: str, said: str) -> None:
    print(made)
    assert made == said
