"""Every gate on a pass, a fail, what it cannot measure, and both sides of each threshold."""

from typing import Any

import pytest

from mlops_assets.gates.registry import GATES, decide
from mlops_assets.gates.ruling import EvidenceError
from mlops_assets.ledger.canonical import digest
from mlops_assets.policy.gate_rules import Gates
from mlops_assets.policy.policy import Policy

D1, D2 = "1" * 64, "2" * 64


def contract(**changes) -> dict[str, Any]:
    return {"rows": 1000, "quarantined_share": 0.01, "reasons": {"age: above 120": 10}, "problems": [], **changes}


def volume(**changes) -> dict[str, Any]:
    base = {"task": "binary", "rows": 500, "class_rows": {"0": 450, "1": 50}, "missing_target": 0, "delivered": 500}
    return {**base, **changes}


def feature(name="x", auc=0.7, r2=None, after_event=None) -> dict[str, Any]:
    return {"feature": name, "auc": auc, "r2": r2, "after_event": after_event}


def leakage(*features, task="binary") -> dict[str, Any]:
    return {"task": task, "features": list(features)}


def labels(*groups, task="binary", protected=("sex",)) -> dict[str, Any]:
    keys = {"binary": ("favourable",), "multiclass": ("classes",), "regression": ("mean", "variance")}[task]
    rows = [
        {"attribute": "sex", "group": name, "rows": n, **dict(zip(keys, values, strict=True))}
        for name, n, *values in groups
    ]
    return {"task": task, "protected": list(protected), "labels": rows}


def proxy(auc=0.7, single=0.6, is_input=False, note="", protected=("sex",)) -> dict[str, Any]:
    found = {"attribute": "sex", "is_input": is_input, "auc": auc, "features": {"height": single}, "note": note}
    return {"protected": list(protected), "proxies": [found] if protected else []}


def parity(**changes) -> dict[str, Any]:
    return {"rows": 100, "available": 1000, "training_features": D1, "scoring_features": D1, **changes}


def artifact(**changes) -> dict[str, Any]:
    good = {"signature": "valid", "pickles": [], "foreign_types": [], "bytes": 1_000_000}
    return {**good, **changes}


def advisories(*vulnerabilities, unchecked=()) -> dict[str, Any]:
    found = [{"package": "p", "id": i, "severity": severity} for i, severity in vulnerabilities]
    return {
        "source": "osv.json",
        "as_of": "2026-11-01T08:00:00Z",
        "vulnerabilities": found,
        "unchecked": list(unchecked),
    }


def lock(*different, unpinned=()) -> dict[str, Any]:
    return {"source": "requirements.lock", "different": list(different), "unpinned": list(unpinned), "pinned": 9}


def fits(values, churn=0.0) -> dict[str, Any]:
    return {"values": list(values), "churn": churn}


def stability(seeds=(0.7, 0.7, 0.7), resamples=(0.7, 0.7, 0.7), seed_churn=0.0, churn=0.0) -> dict[str, Any]:
    return {"metric": "roc_auc", "seeds": fits(seeds, seed_churn), "resamples": fits(resamples, churn)}


def costs(seconds=600.0, memory=None, disk=None) -> dict[str, Any]:
    return {"seconds_per_million": seconds, "memory_megabytes": memory, "disk_megabytes": disk}


def metric(value, low, high, note="") -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "note": note}


def performance(low=0.7, task="binary", comparison=None, skill=None) -> dict[str, Any]:
    area = metric(None if low is None else low + 0.02, low, None if low is None else low + 0.04, "one class only")
    other = metric(skill, skill, skill)
    metrics = {
        "binary": {"roc_auc": area, "brier": metric(0.1, 0.1, 0.1)},
        "multiclass": {"macro_auc": area, "log_loss_skill": other},
        "regression": {"r2": other},
    }[task]
    return {"task": task, "n": 1000, "metrics": metrics, "comparison": comparison}


def pair(low, high) -> dict[str, Any]:
    middle = None if low is None else (low + high) / 2
    return {"metric": "roc_auc", "difference": middle, "low": low, "high": high}


def part(difference=-0.05, n=200, p=0.01, measurable=True, name="sector = 44") -> dict[str, Any]:
    return {
        "slice": name,
        "n": n,
        "value": None if difference is None else 0.7 + difference,
        "difference": difference,
        "p_adjusted": p,
        "measurable": measurable,
        "reason": "" if measurable else "too few rows",
    }


def slices(*declared, found=()) -> dict[str, Any]:
    return {"metric": "roc_auc", "overall": 0.7, "declared": list(declared), "found": list(found)}


def calibration(**changes) -> dict[str, Any]:
    base = {
        "task": "binary",
        "n": 200,
        "bias": 0.02,
        "bias_standardised": 0.05,
        "ece": 0.03,
        "slope": 0.9,
        "classes": {},
    }
    return {**base, **changes}


def robustness(*probes) -> dict[str, Any]:
    found = [dict(zip(("probe", "drop", "flips", "error"), p, strict=True)) for p in probes]
    return {"metric": "roc_auc", "probes": found}


def group(name, n=1000, measurable=True) -> dict[str, Any]:
    return {"group": name, "n": n, "selection_rate": 0.5, "measurable": measurable}


def attribute(value, p=0.001, metric_name="demographic_parity_ratio", groups=None, **changes) -> dict[str, Any]:
    disparity = {"value": value, "low": None, "high": None, "p_value": p, "lowest": "a", "highest": "b", "reason": ""}
    return {
        "attribute": "sex",
        "intersection": False,
        "measurable": True,
        "reason": "",
        "groups": groups or [group("a"), group("b")],
        "disparities": {metric_name: disparity},
        **changes,
    }


def fairness(*attributes, task="binary") -> dict[str, Any]:
    return {"task": task, "attributes": list(attributes)}


def reasons(**changes) -> dict[str, Any]:
    base = {"applies": True, "adverse": 100, "explained": 100, "most_codes": 4, "codes": 400, "faithful": 400}
    return {**base, "unscored": [], **changes}


def card(*statuses, digest_=D1, profile="sr26_2") -> dict[str, Any]:
    asked = [{"profile": profile, "item": f"item {i}", "status": s} for i, s in enumerate(statuses)]
    return {"asked": asked, "card_digest": digest_}


P, F, N = "passed", "failed", "not_measurable"

CASES: list[tuple[str, dict, dict, str, str]] = [
    # gate, rule, evidence, outcome, why
    ("contract", {}, contract(), P, "few rows are bad"),
    ("contract", {"max_quarantined_share": 0.01}, contract(), P, "exactly the limit is allowed"),
    ("contract", {"max_quarantined_share": 0.0099}, contract(), F, "just above the limit"),
    ("contract", {}, contract(problems=["no column age"]), F, "a fault of the whole table counts whatever the share"),
    ("contract", {}, contract(rows=0, quarantined_share=0.0), N, "no rows at all"),
    ("volume", {}, volume(), P, "exactly the fewest rows of the rarest class"),
    ("volume", {"min_rows": 500}, volume(), P, "exactly the fewest rows"),
    ("volume", {"min_rows": 501}, volume(), F, "one row short"),
    ("volume", {"min_class_rows": 51}, volume(), F, "one event short"),
    ("volume", {}, volume(class_rows={"0": 500}), N, "one outcome teaches nothing"),
    ("volume", {}, volume(missing_target=25), P, "exactly the tolerated share without a target"),
    ("volume", {}, volume(missing_target=26), F, "one more without a target"),
    ("volume", {}, volume(task="regression", class_rows={}), P, "a regression has no classes"),
    ("leakage", {}, leakage(feature(auc=0.9)), P, "exactly the limit is allowed"),
    ("leakage", {}, leakage(feature("term_months", auc=0.9001), feature()), F, "just above the limit"),
    ("leakage", {}, leakage(feature(auc=None, r2=0.95), task="regression"), P, "regression: exactly the limit"),
    ("leakage", {}, leakage(feature(auc=None, r2=0.9501), task="regression"), F, "regression: just above"),
    ("leakage", {}, leakage(feature(auc=None)), N, "one class only: nothing can be judged"),
    ("leakage", {}, leakage(feature(), feature("y", auc=None)), N, "one unjudged feature may be the leak"),
    ("leakage", {}, leakage(feature("y", auc=None), feature(auc=0.99)), F, "a leak found is a leak"),
    ("leakage", {}, leakage(), N, "nothing was screened"),
    ("leakage", {}, leakage(feature(after_event=0.0)), P, "no date after the event"),
    ("leakage", {}, leakage(feature("closed_on", after_event=0.01)), F, "a date after the event"),
    ("leakage", {"max_share_after_event": 0.01}, leakage(feature(after_event=0.01)), P, "exactly the tolerated share"),
    ("leakage", {"forbidden_columns": ("recovered_*",)}, leakage(feature("recovered_usd")), F, "named by the policy"),
    (
        "leakage",
        {"forbidden_columns": ("recovered_*",)},
        leakage(feature("not_recovered_usd")),
        P,
        "patterns are whole",
    ),
    ("label_bias", {}, labels(("men", 1000, 500), ("women", 1000, 400)), P, "ratio .8 is exactly four fifths"),
    ("label_bias", {}, labels(("men", 1000, 500), ("women", 1000, 399)), F, "just under four fifths, significant"),
    ("label_bias", {}, labels(("men", 100, 50), ("women", 100, 39)), N, "under four fifths, but chance explains it"),
    ("label_bias", {}, labels(("men", 1000, 500), ("women", 99, 1)), N, "a group of 99 is too small"),
    ("label_bias", {}, labels(("men", 1000, 500), ("women", 100, 1)), F, "a group of 100 is not"),
    ("label_bias", {}, labels(protected=()), N, "no protected attribute"),
    ("label_bias", {}, labels(("men", 1000, 0), ("women", 1000, 0)), P, "nobody is favoured: equal"),
    (
        "label_bias",
        {"min_ratio": 0, "max_difference": 0.25},
        labels(("men", 1000, 500), ("women", 1000, 250)),
        P,
        "exactly the difference",
    ),
    (
        "label_bias",
        {"min_ratio": 0, "max_difference": 0.25},
        labels(("men", 1000, 500), ("women", 1000, 249)),
        F,
        "just beyond the difference",
    ),
    (
        "label_bias",
        {"max_standardised_difference": 1.0},
        labels(("men", 500, 1.0, 0.0), ("women", 500, -1.0, 0.0), task="regression"),
        F,
        "two standard deviations apart",
    ),
    (
        "label_bias",
        {"max_standardised_difference": 2.0},
        labels(("men", 500, 1.0, 0.0), ("women", 500, -1.0, 0.0), task="regression"),
        P,
        "exactly the limit",
    ),
    (
        "label_bias",
        {},
        labels(("men", 500, 1.0, 1.0), ("women", 99, -1.0, 1.0), task="regression"),
        N,
        "too small a group in a regression",
    ),
    (
        "label_bias",
        {"max_difference": 0.1},
        labels(("men", 1000, {"a": 500, "b": 500}), ("women", 1000, {"a": 300, "b": 700}), task="multiclass"),
        F,
        "class shares differ by .2",
    ),
    (
        "label_bias",
        {"max_difference": 0.5},
        labels(("men", 1000, {"a": 750, "b": 250}), ("women", 1000, {"a": 250, "b": 750}), task="multiclass"),
        P,
        "exactly the difference of class shares",
    ),
    (
        "label_bias",
        {},
        labels(("men", 1000, {"a": 1000, "b": 0}), ("women", 1000, {"a": 0, "b": 1000}), task="multiclass"),
        P,
        "a policy that limits no class shares",
    ),
    ("proxy", {"max_auc": 0.7}, proxy(), P, "exactly the limit"),
    ("proxy", {"max_auc": 0.6999}, proxy(), F, "together just above"),
    ("proxy", {"max_single_auc": 0.6}, proxy(), P, "alone exactly the limit"),
    ("proxy", {"max_single_auc": 0.5999}, proxy(), F, "alone just above"),
    ("proxy", {}, proxy(is_input=True), F, "a protected input"),
    ("proxy", {"allow_protected_inputs": True}, proxy(is_input=True), P, "a protected input that policy allows"),
    ("proxy", {}, proxy(auc=None, note="too few rows"), N, "not measured"),
    ("proxy", {}, proxy(auc=None, single=0.99), F, "a strong single stand-in is one, even if the rest is unknown"),
    ("proxy", {}, proxy(protected=()), N, "no protected attribute"),
    ("proxy", {}, {"protected": ["sex"], "proxies": []}, N, "an attribute that nobody screened"),
    ("parity", {}, parity(), P, "equal digests on exactly enough rows"),
    ("parity", {}, parity(scoring_features=D2), F, "other features"),
    ("parity", {}, parity(training_scores=D1, scoring_scores=D2), F, "other scores"),
    ("parity", {}, parity(training_scores=D1), F, "scores on one side only"),
    ("parity", {}, parity(rows=99), N, "one row too few"),
    ("parity", {}, parity(rows=20, available=20), P, "all rows there are"),
    ("parity", {}, parity(rows=0, available=0), N, "no rows"),
    ("parity", {}, parity(training_features=None, scoring_features=None), N, "nothing equals nothing"),
    ("artifact", {}, artifact(), P, "signed and clean"),
    ("artifact", {"max_megabytes": 1}, artifact(), P, "exactly the largest size"),
    ("artifact", {"max_megabytes": 1}, artifact(bytes=1_000_001), F, "one byte too many"),
    ("artifact", {}, artifact(signature="missing"), F, "unsigned"),
    ("artifact", {}, artifact(signature="invalid"), F, "changed after signing"),
    ("artifact", {}, artifact(pickles=["model.pkl"]), F, "a pickle"),
    ("artifact", {}, artifact(foreign_types=["os.system"]), F, "a type outside the allow-list"),
    ("artifact", {"require_lock": True}, artifact(lock=lock()), P, "everything as pinned"),
    ("artifact", {"require_lock": True}, artifact(lock=lock("numpy 1 (pinned 2)")), F, "another version than pinned"),
    ("artifact", {"require_lock": True}, artifact(lock=lock(unpinned=["tool 1"])), P, "a tool beside the project"),
    ("artifact", {"require_lock": True}, artifact(), N, "a lock is asked for and there is none"),
    ("artifact", {"require_lock": True}, artifact(lock={"error": "line 3"}), N, "a lock that cannot be read"),
    ("artifact", {}, artifact(lock=lock("numpy 1 (pinned 2)")), P, "a deviation that policy only shows"),
    ("artifact", {}, artifact(lock={"error": "line 3"}), P, "an unreadable lock that policy does not ask for"),
    ("artifact", {"require_advisories": True}, artifact(), N, "a check is asked for and no file was supplied"),
    ("artifact", {"require_advisories": True}, artifact(advisories=advisories()), P, "checked, nothing known"),
    (
        "artifact",
        {"require_advisories": True},
        artifact(advisories=advisories(unchecked=["q 1"])),
        N,
        "a package that the file does not cover",
    ),
    ("artifact", {}, artifact(advisories=advisories(unchecked=["q 1"])), P, "a gap that policy only shows"),
    ("artifact", {}, artifact(advisories={"source": "x", "error": "no JSON"}), N, "a file that cannot be read"),
    (
        "artifact",
        {},
        artifact(advisories={"source": "x", "error": "no JSON"}, signature="missing"),
        F,
        "unsigned, whatever else is unknown",
    ),
    ("artifact", {}, artifact(bytes=None), N, "no artifact was looked at"),
    *[
        (
            "artifact",
            {"max_vulnerability": "medium"},
            artifact(advisories=advisories(("X-1", severity))),
            outcome,
            f"a vulnerability of severity {severity}",
        )
        for severity, outcome in (("low", P), ("medium", P), ("high", F), ("Critical", F), ("unheard of", F))
    ],
    ("artifact", {"forbidden_licences": ("AGPL-*",)}, artifact(licences={"AGPL-3.0": ["p"]}), F, "a forbidden licence"),
    ("artifact", {"forbidden_licences": ("AGPL-*",)}, artifact(licences={"LGPL-3.0": ["p"]}), P, "another licence"),
    (
        "artifact",
        {"forbidden_licences": ("AGPL-*",)},
        artifact(licences={"MIT OR AGPL-3.0": ["p"]}),
        P,
        "a choice that is allowed",
    ),
    ("artifact", {"forbidden_licences": ("AGPL-*",)}, artifact(licences=None), N, "licences nobody looked at"),
    ("artifact", {"forbidden_licences": ("unknown",)}, artifact(licences={"unknown": ["p"]}), F, "no licence stated"),
    ("performance", {"min_auc": 0.7}, performance(0.7), P, "lower bound exactly at the floor"),
    ("performance", {"min_auc": 0.7}, performance(0.6999), F, "lower bound just below, although the value is above"),
    ("performance", {"min_auc": 0.7}, performance(None), N, "one class only"),
    ("performance", {"min_auc": None}, performance(None), P, "no floor asked for"),
    ("performance", {"min_skill": 0.1}, performance(task="regression", skill=0.1), P, "skill at the floor"),
    ("performance", {"min_skill": 0.1}, performance(task="regression", skill=0.0999), F, "skill below the floor"),
    ("performance", {"min_skill": 0.1}, performance(0.9, "multiclass", skill=0.05), F, "good ranking, poor skill"),
    ("performance", {"min_skill": 0.1}, performance(0.9, "multiclass", skill=0.2), P, "both floors held"),
    ("performance", {}, performance(comparison=pair(0.001, 0.02)), P, "better"),
    ("performance", {}, performance(comparison=pair(-0.01, 0.02)), P, "no worse: exactly the margin"),
    ("performance", {}, performance(comparison=pair(-0.0101, 0.02)), N, "not decidable: just beyond the margin"),
    ("performance", {}, performance(comparison=pair(-0.0101, 0.0)), N, "equally good is still credible"),
    ("performance", {}, performance(comparison=pair(-0.0101, -0.0001)), F, "worse"),
    ("performance", {}, performance(comparison=pair(-0.009, -0.001)), P, "surely lower, and within the margin"),
    ("performance", {}, performance(comparison=pair(None, None)), N, "no interval"),
    ("performance", {"against_champion": "better"}, performance(comparison=pair(0.0001, 0.02)), P, "better, as asked"),
    ("performance", {"against_champion": "better"}, performance(comparison=pair(0.0, 0.02)), F, "not surely better"),
    ("performance", {"against_champion": "ignore"}, performance(comparison=pair(-0.2, -0.1)), P, "not compared"),
    ("slices", {"max_gap": 0.05}, slices(part(-0.05)), P, "exactly the gap"),
    ("slices", {"max_gap": 0.05}, slices(part(-0.0501)), F, "just beyond the gap"),
    ("slices", {"max_gap": 0.05}, slices(part(-0.2, p=0.0499)), F, "just significant"),
    ("slices", {"max_gap": 0.05}, slices(part(-0.2, p=0.05)), P, "not significant: chance explains it"),
    ("slices", {"max_gap": 0.05}, slices(part(-0.2, n=199)), N, "the only slice is too small"),
    ("slices", {"max_gap": 0.05}, slices(part(-0.2, n=200)), F, "just large enough"),
    ("slices", {}, slices(part(None, measurable=False)), N, "one outcome only in the slice"),
    ("slices", {}, slices(), N, "no slice declared"),
    ("slices", {}, slices(part(), found=[part(-0.3)]), P, "found slices are shown only"),
    ("slices", {"include_found": True}, slices(part(), found=[part(-0.3)]), F, "found slices count"),
    ("slices", {}, slices(part(0.1)), P, "a slice better than the whole"),
    ("calibration", {"max_bias": 0.02}, calibration(), P, "exactly the bias"),
    ("calibration", {"max_bias": 0.0199}, calibration(), F, "just beyond the bias"),
    ("calibration", {"max_bias": 0.0199}, calibration(bias=-0.02), F, "too low is as wrong as too high"),
    ("calibration", {"max_ece": 0.03}, calibration(), P, "exactly the error"),
    ("calibration", {"max_ece": 0.0299}, calibration(), F, "just beyond the error"),
    ("calibration", {"slope": (0.9, 1.1)}, calibration(), P, "slope at the edge"),
    ("calibration", {"slope": (0.91, 1.1)}, calibration(), F, "slope outside"),
    ("calibration", {"slope": (0.8, 1.1)}, calibration(slope=None), N, "slope asked for and unknown"),
    ("calibration", {}, calibration(slope=None), P, "slope not asked for"),
    ("calibration", {}, calibration(n=199), N, "one row too few"),
    ("calibration", {}, calibration(ece=None), N, "no error"),
    ("calibration", {"max_bias": 0.05}, calibration(task="regression", ece=None), P, "regression: bias in deviations"),
    ("calibration", {"max_bias": 0.049}, calibration(task="regression", ece=None), F, "regression: just beyond"),
    (
        "calibration",
        {"max_bias": 0.1},
        calibration(task="multiclass", classes={"a": {"bias": 0.0, "ece": 0.0}, "b": {"bias": -0.11, "ece": 0.0}}),
        F,
        "the worst class counts",
    ),
    ("robustness", {"max_drop": 0.05}, robustness(("noise", 0.05, None, "")), P, "exactly the drop"),
    ("robustness", {"max_drop": 0.05}, robustness(("noise", 0.0501, None, "")), F, "just beyond the drop"),
    ("robustness", {}, robustness(("unseen category", None, None, "ValueError: unknown")), F, "the model raised"),
    (
        "robustness",
        {},
        robustness(("noise", 0.01, None, ""), ("missing", None, None, "")),
        N,
        "a probe was not measured",
    ),
    ("robustness", {}, robustness(), N, "no probe"),
    ("robustness", {"max_flips": 0.1}, robustness(("noise", 0.0, 0.1, "")), P, "exactly the share of flips"),
    ("robustness", {"max_flips": 0.1}, robustness(("noise", 0.0, 0.1001, "")), F, "just beyond the flips"),
    ("fairness", {}, fairness(attribute(0.8)), P, "exactly four fifths"),
    ("fairness", {}, fairness(attribute(0.7999)), F, "just under four fifths"),
    ("fairness", {}, fairness(attribute(0.5, p=0.0499)), F, "just significant"),
    ("fairness", {}, fairness(attribute(0.5, p=0.05)), N, "too small to tell is no pass"),
    ("fairness", {}, fairness(attribute(0.5, p=None)), N, "no p-value is no evidence"),
    ("fairness", {}, fairness(attribute(None)), N, "no number"),
    ("fairness", {}, fairness(), N, "no protected attribute"),
    ("fairness", {}, fairness(attribute(0.9, groups=[group("a"), group("b", 99)])), N, "a group of 99 is too small"),
    ("fairness", {}, fairness(attribute(0.9, groups=[group("a"), group("b", 100)])), P, "a group of 100 is not"),
    (
        "fairness",
        {},
        fairness(attribute(0.9, groups=[group("a"), group("b", measurable=False)])),
        N,
        "unmeasured group",
    ),
    (
        "fairness",
        {},
        fairness(attribute(0.9), attribute(0.1, attribute="sex & age", intersection=True)),
        P,
        "shown only",
    ),
    (
        "fairness",
        {"include_intersections": True},
        fairness(attribute(0.9), attribute(0.1, attribute="sex & age", intersection=True)),
        F,
        "intersections count where policy says so",
    ),
    ("fairness", {}, fairness(attribute(0.9), attribute(0.1, attribute="race")), F, "one attribute is enough to fail"),
    ("fairness", {}, fairness(attribute(0.9), attribute(None, attribute="race")), N, "one unmeasured is no pass"),
    *[
        (
            "fairness",
            {"min_ratio": None, field: 0.2},
            fairness(attribute(value, metric_name=name)),
            outcome,
            f"{name} {value} against .2",
        )
        for name, field in (
            ("demographic_parity_difference", "max_difference"),
            ("equalized_odds_difference", "max_equalized_odds"),
            ("equal_opportunity_difference", "max_equal_opportunity"),
        )
        for value, outcome in ((0.2, P), (0.2001, F))
    ],
    (
        "fairness",
        {},
        fairness(attribute(0.5, metric_name="mean_error_difference"), task="regression"),
        P,
        "at the limit",
    ),
    ("fairness", {}, fairness(attribute(0.51, metric_name="mean_error_difference"), task="regression"), F, "beyond"),
    ("fairness", {}, fairness(attribute(0.21, metric_name="accuracy_difference"), task="multiclass"), F, "beyond"),
    ("reason_codes", {}, reasons(), P, "all explained, by exactly four"),
    ("reason_codes", {}, reasons(explained=99), F, "one decision without a reason"),
    ("reason_codes", {"min_coverage": 0.99}, reasons(explained=99), P, "exactly the coverage"),
    ("reason_codes", {}, reasons(most_codes=5), F, "five reasons"),
    ("reason_codes", {}, reasons(faithful=380), P, "exactly the faithful share"),
    ("reason_codes", {}, reasons(faithful=379), F, "one unfaithful too many"),
    ("reason_codes", {}, reasons(unscored=["age"]), F, "a factor that the model does not use"),
    ("reason_codes", {}, reasons(applies=False), N, "a regression has no adverse decisions"),
    ("reason_codes", {}, reasons(adverse=0, explained=0, codes=0, faithful=0), N, "no adverse decision"),
    (
        "reason_codes",
        {"min_coverage": 0},
        reasons(explained=0, codes=0, faithful=0, most_codes=0),
        N,
        "no reason at all",
    ),
    ("completeness", {}, card("present", "present"), P, "all there"),
    ("completeness", {}, card("present", "stale"), F, "stale is not present"),
    ("completeness", {"min_share": 0.5}, card("present", "missing"), P, "exactly the share"),
    ("completeness", {"min_share": 0.51}, card("present", "missing"), F, "just below the share"),
    (
        "completeness",
        {"min_share": 0, "blocking_profiles": ("sr26_2",)},
        card("present", "missing"),
        F,
        "must be whole",
    ),
    ("completeness", {"blocking_profiles": ("other",)}, card("present"), N, "a named profile nobody looked at"),
    ("completeness", {}, card(), N, "nothing is asked"),
    ("completeness", {}, card("present", digest_=None), F, "no card"),
    ("stability", {"max_seed_spread": 1.0}, stability(seeds=(0.0, 1.0, 2.0)), P, "seeds: exactly the spread"),
    ("stability", {"max_seed_spread": 0.99}, stability(seeds=(0.0, 1.0, 2.0)), F, "seeds: just beyond"),
    ("stability", {"max_resample_spread": 1.0}, stability(resamples=(0.0, 1.0, 2.0)), P, "resamples: exactly"),
    ("stability", {"max_resample_spread": 0.99}, stability(resamples=(0.0, 1.0, 2.0)), F, "resamples: just beyond"),
    ("stability", {"max_churn": 0.1}, stability(seed_churn=0.1, churn=0.1), P, "exactly the churn"),
    ("stability", {"max_churn": 0.1}, stability(seed_churn=0.101), F, "seeds: just beyond the churn"),
    ("stability", {"max_churn": 0.1}, stability(churn=0.101), F, "resamples: just beyond the churn"),
    ("stability", {"max_churn": 0.1}, stability(seed_churn=None, churn=None), P, "a regression decides nothing"),
    ("stability", {}, stability(seeds=(0.7, 0.7, None)), N, "two of three seeds"),
    ("stability", {}, stability(resamples=(0.7, 0.7, None)), N, "two of three resamples"),
    ("stability", {}, stability(seeds=(0.1, 0.9, 0.5), resamples=(0.7, None, None)), F, "a breach found is a breach"),
    ("cost", {}, costs(), P, "exactly the time"),
    ("cost", {}, costs(600.1), F, "just beyond the time"),
    ("cost", {}, costs(None, 3.0), N, "not timed"),
    ("cost", {"max_memory_megabytes": 3}, costs(memory=3.0), P, "exactly the memory"),
    ("cost", {"max_memory_megabytes": 3}, costs(memory=3.1), F, "too large in memory"),
    ("cost", {"max_disk_megabytes": 3}, costs(disk=3.0), P, "exactly the files"),
    ("cost", {"max_disk_megabytes": 3}, costs(disk=3.1), F, "too large on disk"),
    ("cost", {"max_disk_megabytes": 3}, costs(), N, "size of the files unknown"),
    ("cost", {"max_seconds_per_million": None}, costs(None), P, "no limit at all"),
]


def policy(gate: str, rule: dict) -> Policy:
    return Policy.model_validate({"tier": "high", "gates": {gate: rule}, "approvals": []})


@pytest.mark.parametrize(("gate", "rule", "evidence", "outcome", "why"), CASES, ids=[f"{c[0]}: {c[4]}" for c in CASES])
def test_outcome(gate, rule, evidence, outcome, why):
    result = decide(gate, evidence, policy(gate, rule))
    assert result.outcome == outcome, f"{why}: {result.reason}"
    assert result.gate == gate
    assert result.reason
    assert result.rule
    assert "unknown" not in result.rule or "unknown" in str(rule), "a limit that there is not is said to be none"
    assert result.evidence["measured"] == digest(result.details["measured"])


@pytest.mark.parametrize(("gate", "rule", "evidence", "outcome", "why"), CASES, ids=[f"{c[0]}: {c[4]}" for c in CASES])
def test_what_a_decision_keeps_is_enough_to_decide_again(gate, rule, evidence, outcome, why):
    first = decide(gate, evidence, policy(gate, rule))
    assert decide(gate, first.details["measured"], policy(gate, rule)) == first


def test_every_gate_has_each_outcome_among_the_cases():
    for gate in GATES:
        assert {c[3] for c in CASES if c[0] == gate} == {P, F, N}, gate


def test_the_registry_and_the_policy_know_the_same_gates():
    assert list(GATES) == list(Gates.model_fields)


def test_nothing_to_measure_is_told_from_too_little():
    for gate, evidence in (("fairness", fairness()), ("slices", slices()), ("proxy", proxy(protected=()))):
        assert decide(gate, evidence, policy(gate, {})).details["absent"] is True
    assert "absent" not in decide("fairness", fairness(attribute(0.5, p=0.5)), policy("fairness", {})).details


@pytest.mark.parametrize("gate", list(GATES))
def test_evidence_without_what_is_needed_is_refused(gate):
    with pytest.raises(EvidenceError, match=f"gate {gate}: found no"):
        decide(gate, {}, policy(gate, {}))
    with pytest.raises(EvidenceError, match="expected a mapping"):
        decide(gate, 7, policy(gate, {}))


def test_an_unknown_gate_is_refused_with_those_that_exist():
    with pytest.raises(KeyError, match="expected one of contract"):
        decide("vibes", {}, policy("contract", {}))


@pytest.mark.parametrize(
    ("gate", "evidence", "words"),
    [
        ("leakage", leakage(feature("term_months", auc=0.958)), ["term_months", "0.958", "0.9"]),
        ("contract", contract(quarantined_share=0.2), ["20.00%", "age: above 120"]),
        ("fairness", fairness(attribute(0.42)), ["sex", "0.420", "a against b", "0.8"]),
        ("slices", slices(part(-0.3)), ["sector = 44", "-0.300", "200 rows"]),
        ("volume", volume(class_rows={"0": 499, "1": 1}), ["'1'", "1 rows", "50"]),
        ("stability", stability(resamples=(0.6, 0.7, 0.8)), ["resamples", "0.1", "roc_auc", "0.05", "3 fits"]),
        ("cost", costs(700.0), ["700 seconds", "600"]),
        ("artifact", artifact(advisories=advisories(("PYSEC-1", "critical"))), ["PYSEC-1", "p", "critical"]),
    ],
)
def test_a_refusal_names_the_culprit_and_the_numbers(gate, evidence, words):
    reason = decide(gate, evidence, policy(gate, {})).reason
    for word in words:
        assert word in reason


@pytest.mark.parametrize(
    ("gate", "evidence", "words"),
    [
        ("artifact", artifact(), ["not checked: no advisory file", "not compared with a lock"]),
        (
            "artifact",
            artifact(advisories=advisories(("X-1", "low"), unchecked=["q 1"]), lock=lock("n 1", unpinned=["t 1"])),
            ["tolerated: X-1", "osv.json, as of 2026-11-01, 1 packages not covered", "not as pinned: n 1", "t 1"],
        ),
        ("stability", stability(churn=0.021), ["over seeds", "over resamples", "2.1% of decisions"]),
        (
            "cost",
            {**costs(1.5, 2.0, 3.0), "machine": "x86_64"},
            ["1.5 seconds", "2 MB in memory", "3 MB on disk", "x86_64"],
        ),
    ],
)
def test_a_pass_says_what_it_rests_on(gate, evidence, words):
    found = decide(gate, evidence, policy(gate, {}))
    assert found.passed
    for word in words:
        assert word in found.reason


def test_every_slice_that_is_too_small_is_named_with_its_size():
    small = [part(name=f"sector = {n}", n=n) for n in range(10, 19)]
    for others, outcome in (([], N), ([part()], P), ([part(-0.5, p=0.0)], F)):
        found = decide("slices", slices(*small, *others), policy("slices", {}))
        assert found.outcome == outcome
        assert all(f"sector = {n} ({n} rows)" in found.reason for n in range(10, 19)), found.reason
    known = decide("slices", slices(part(), part(None, n=500, measurable=False, name="b")), policy("slices", {}))
    assert "b (500 rows, too few rows)" in known.reason


def test_the_spread_that_is_shown_is_the_one_nearest_its_limit():
    both = stability(seeds=(0.70, 0.71, 0.72), resamples=(0.70, 0.71, 0.72))
    found = decide("stability", both, policy("stability", {"max_seed_spread": 0.02, "max_resample_spread": 0.5}))
    assert (found.value, found.threshold) == (pytest.approx(0.01), 0.02)
    other = decide("stability", both, policy("stability", {"max_seed_spread": 0.5, "max_resample_spread": 0.02}))
    assert (other.threshold, other.details["spreads"]["resamples"]) == (0.02, pytest.approx(0.01))
