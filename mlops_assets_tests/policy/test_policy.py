"""The shipped policies read, tighten and refuse as their fields say."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mlops_assets.policy.policy import Policy, PolicyError, effective, load_policies, read_policy
from mlops_assets.policy.reading import read_document
from mlops_assets.strictness import Stricter

FOLDER = Path(__file__).parents[2] / "mlops_assets" / "config" / "policy"


@pytest.fixture(scope="module")
def policies() -> dict[str, Policy]:
    return load_policies(FOLDER)


DEFAULT = Policy(tier="low", approvals=())


def fields(part: BaseModel = DEFAULT, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every field by its place; those of gates are known only when the gates are."""
    for name, field in type(part).model_fields.items():
        inner = getattr(part, name)
        if isinstance(inner, BaseModel):
            yield from fields(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def changed(tmp_path: Path, old: str, new: str) -> Path:
    path = tmp_path / "high.yaml"
    text = (FOLDER / "high.yaml").read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def test_three_tiers_are_shipped(policies):
    assert set(policies) == {"high", "medium", "low"}
    assert {p.tier for p in policies.values()} == set(policies)


@pytest.mark.parametrize(("name", "field"), list(fields()), ids=lambda v: v if isinstance(v, str) else "")
def test_every_field_is_described_and_knows_its_stricter_side(name, field):
    assert field.description, name
    assert sum(isinstance(m, Stricter) for m in field.metadata) == 1, name


@pytest.mark.parametrize("tier", ["high", "medium", "low"])
def test_shipped_files_state_every_field_with_a_comment(tier):
    content = yaml.safe_load((FOLDER / f"{tier}.yaml").read_text())
    for name, _ in fields():
        if name.startswith("monitoring.statistics."):
            continue  # None raises an alarm before a bank says from where on.
        value = content
        for part in name.split("."):
            assert part in value, f"{tier}: {name} is not stated"
            value = value[part]


def test_tiers_rise_in_strictness(policies):
    """What a higher tier requires is never looser, so that moving a model up never frees it."""
    for lower, higher in (("low", "medium"), ("medium", "high")):
        for gate in policies[lower].gates.required:
            assert gate in policies[higher].gates.required
        assert sum(r.count for r in policies[lower].approvals) <= sum(r.count for r in policies[higher].approvals)
        for name, field in fields(policies["low"].gates):
            low, high = policies[lower].gates, policies[higher].gates
            for part in name.split("."):
                low, high = getattr(low, part), getattr(high, part)
            mark = next(m for m in field.metadata if isinstance(m, Stricter))
            assert mark.direction == "fixed" or mark.allows(low, high), f"{name}: {higher} {high} is laxer than {low}"


def test_digest_changes_with_any_value_and_only_then(policies):
    high = policies["high"]
    assert high.digest == read_policy(FOLDER / "high.yaml").digest
    assert len(high.digest) == 64
    assert effective(high, {"validity_days": 364}).digest != high.digest
    assert effective(high, {"validity_days": 365}).digest == high.digest
    assert effective(high, {}).digest == high.digest


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"gates": {"performance": {"min_auc": 0.61}}}, "a higher floor"),
        ({"gates": {"leakage": {"max_auc": 0.8}}}, "a lower ceiling"),
        ({"gates": {"artifact": {"require_advisories": True}}}, "one more check that is required"),
        ({"gates": {"fairness": {"max_difference": 0.1}}}, "a limit where there was none"),
        ({"gates": {"leakage": {"forbidden_columns": ["recovered_*"]}}}, "one more forbidden column"),
        ({"approvals": [{"role": "validator", "count": 2}, {"role": "model-risk"}]}, "one more signature"),
        ({"exceptions": {"roles": []}}, "nobody may lift a gate"),
        ({"retraining": {"mode": "on_signed_request"}}, "a later step of an order"),
        ({"gates": {"proxy": {"allow_protected_inputs": False}}}, "a permission given up"),
    ],
)
def test_a_model_may_be_stricter(policies, overrides, field):
    assert effective(policies["high"], overrides).digest != policies["high"].digest, field


@pytest.mark.parametrize(
    ("overrides", "place", "found", "tier_value"),
    [
        ({"gates": {"performance": {"min_auc": 0.599}}}, "gates.performance.min_auc", "0.599", "0.6"),
        ({"gates": {"performance": {"min_auc": None}}}, "gates.performance.min_auc", "no limit", "0.6"),
        ({"gates": {"leakage": {"max_auc": 0.901}}}, "gates.leakage.max_auc", "0.901", "0.9"),
        ({"gates": {"fairness": {"required": False}}}, "gates.fairness.required", "False", "True"),
        ({"approvals": [{"role": "validator"}]}, "approvals", "[1 validator]", "[1 validator, 1 model-risk]"),
        ({"exceptions": {"roles": ["model-risk", "developer"]}}, "exceptions.roles", "developer", "[model-risk]"),
        ({"exceptions": {"max_days": 91}}, "exceptions.max_days", "91", "90"),
        ({"findings": {"blocks_from": "critical"}}, "findings.blocks_from", "critical", "high"),
        ({"monitoring": {"relation_act": 0.07}}, "monitoring.relation_act", "0.07", "0.06"),
        ({"monitoring": {"jeffreys_alpha": 0.001}}, "monitoring.jeffreys_alpha", "0.001", "0.01"),
        ({"monitoring": {"minimum_outcomes": 11}}, "monitoring.minimum_outcomes", "11", "10"),
        ({"response": {"data_quality": ["none"]}}, "response.data_quality", "[none]", "[incident, quarantine_window]"),
        ({"gates": {"artifact": {"forbidden_licences": []}}}, "gates.artifact.forbidden_licences", "[]", "[AGPL-*]"),
        ({"tier": "low"}, "tier", "low", "high"),
    ],
)
def test_a_laxer_value_is_refused_with_both_values(policies, overrides, place, found, tier_value):
    with pytest.raises(PolicyError) as refused:
        effective(policies["high"], overrides)
    text = str(refused.value)
    assert f"policy.{place}: found" in text
    assert found in text.split("laxer than")[0]
    assert tier_value in text.split("laxer than")[1]


def test_every_laxer_value_is_listed(policies):
    with pytest.raises(PolicyError) as refused:
        effective(policies["high"], {"validity_days": 1000, "gates": {"volume": {"min_rows": 5}}})
    assert len(str(refused.value).splitlines()) == 2


def test_an_unknown_field_of_an_override_is_named_with_the_nearest(policies):
    with pytest.raises(
        PolicyError, match=r"policy\.gates\.performance\.min_auk: unknown field; did you mean 'min_auc'"
    ):
        effective(policies["high"], {"gates": {"performance": {"min_auk": 0.9}}})


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("max_quarantined_share: 0.02", "max_quarantined_share: 2", ["contract.max_quarantined_share", "found 2"]),
        (
            "max_quarantined_share: 0.02",
            "max_quarantined: 0.02",
            ["unknown field", "did you mean 'max_quarantined_share'"],
        ),
        ("mode: automatic", "mode: sometimes", ["retraining.mode", "found 'sometimes'", "'on_signed_request'"]),
        ("role: validator, count: 1", "role: model-risk, count: 1", ["approvals", "model-risk twice"]),
        ("psi_watch: 0.1", "psi_watch: 0.3", ["psi_watch 0.3 is above psi_act 0.25"]),
        ("  bias_watch: 0.1", "  bias_watch: 0.3", ["bias_watch 0.3 is above bias_act 0.25"]),
        ("fairness_act: 0.1", "fairness_act: 0.01", ["fairness_watch 0.05 is above fairness_act 0.01"]),
        ("data_quality: [incident,", "data_quality: [retrain,", ["must not learn from a broken feed"]),
        ("  max_days: 90", "  max_days: 90\n  max_days: 900", ["exceptions.max_days", "written twice"]),
        ("tier: high", "tier: low", ["found 'low' in high.yaml", "expected 'high'"]),
        ("gates:\n", "gates: [\n", ["not YAML"]),
        ("min_auc: 0.6", "min_auc: .nan", ["performance.min_auc"]),
    ],
)
def test_a_mistake_in_a_file_names_file_line_field_found_and_expected(tmp_path, old, new, parts):
    path = changed(tmp_path, old, new)
    with pytest.raises(PolicyError) as refused:
        read_policy(path)
    text = str(refused.value)
    assert text.startswith(f"{path}:")
    for part in parts:
        assert part in text


def test_the_line_is_that_of_the_field(tmp_path):
    path = changed(tmp_path, "ab_share: 0.5", "ab_share: 7")
    line = next(i for i, text in enumerate(path.read_text().splitlines(), 1) if "ab_share: 7" in text)
    with pytest.raises(PolicyError, match=f"high.yaml:{line}: release.ab_share: found 7"):
        read_policy(path)


def test_a_missing_field_is_described(tmp_path):
    path = tmp_path / "low.yaml"
    path.write_text("tier: low\n")
    with pytest.raises(PolicyError, match=r"low.yaml:1: approvals: found nothing, expected a value: Signatures"):
        read_policy(path)


@pytest.mark.parametrize("content", ["", "- 1\n", "just text\n"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, content):
    path = tmp_path / "low.yaml"
    path.write_text(content)
    with pytest.raises(PolicyError, match=r"low.yaml:1: found"):
        read_policy(path)


def test_all_broken_files_of_a_folder_are_reported(tmp_path):
    for tier in ("high", "low"):
        (tmp_path / f"{tier}.yaml").write_text("tier: 3\n")
    with pytest.raises(PolicyError) as refused:
        load_policies(tmp_path)
    assert "high.yaml" in str(refused.value)
    assert "low.yaml" in str(refused.value)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(PolicyError, match="found no policy"):
        load_policies(tmp_path)


def test_actions_and_ladder(policies):
    assert policies["high"].actions("data_quality") == ("incident", "quarantine_window")
    assert policies["high"].actions("none") == ()
    assert [step.label for step in policies["high"].release.ladder] == ["shadow"]
    tried = effective(policies["high"], {"release": {"canary_windows": 2, "canary_rows": 50}})
    assert [(s.label, s.windows, s.rows) for s in tried.release.ladder] == [
        ("shadow", 1, 0), ("canary 0.05", 2, 50), ("canary 0.2", 2, 50),
    ]  # fmt: skip
    assert policies["low"].release.ladder == ()
    with pytest.raises(ValueError, match="expected none or one of data_quality"):
        policies["high"].actions("earthquake")


@pytest.mark.parametrize(
    ("mark", "base", "stricter", "laxer"),
    [
        (Stricter("higher"), 1, 2, 0),
        (Stricter("higher"), None, 0, ...),
        (Stricter("higher"), 1, 1, None),
        (Stricter("lower"), 1, 0, 2),
        (Stricter("lower"), 1, 1, None),
        (Stricter("true"), False, True, ...),
        (Stricter("true"), True, True, False),
        (Stricter("false"), True, False, ...),
        (Stricter("false"), False, False, True),
        (Stricter("more"), ("a",), ("a", "b"), ("b",)),
        (Stricter("fewer"), ("a", "b"), ("a",), ("a", "c")),
        (Stricter("slower"), (0.1, 0.5), (0.1, 0.3, 0.6), (0.2, 0.5)),
        (Stricter("slower"), (0.1, 0.5), (0.05, 0.5), (0.1,)),
        (Stricter("ordered", ("x", "y", "z")), "y", "z", "x"),
        (Stricter("fixed"), 1, 1, 2),
    ],
)
def test_what_is_stricter(mark, base, stricter, laxer):
    assert mark.allows(base, stricter)
    if laxer is not ...:
        assert not mark.allows(base, laxer)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("{role: validator, count: 1}", "{role: automation, count: 1}", "automation"),
        ("  roles: [model-risk]\n  # Longest", "  roles: [ledger]\n  # Longest", "ledger"),
        ("  roles: [model-risk]", "  roles: [root]", "root"),
    ],
    ids=["approvals", "exceptions", "adoption"],
)
def test_keys_of_machines_judge_nothing(tmp_path, old, new, named):
    with pytest.raises(PolicyError, match=f"found {named}"):
        read_policy(changed(tmp_path, old, new))


@pytest.mark.parametrize("action", ["retrain", "quarantine_window"])
def test_an_ended_validation_has_no_action_without_effect(tmp_path, action):
    path = changed(tmp_path, "validation_expired: [incident]", f"validation_expired: [{action}]")
    with pytest.raises(
        PolicyError, match=rf"validation_expired: found {action}, expected none, watch, incident, suspend"
    ):
        read_policy(path)


def test_a_policy_that_is_a_pipe_or_a_device_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "high.yaml")
    for path in (tmp_path / "high.yaml", Path("/dev/zero")):
        with pytest.raises(PolicyError, match="found no regular file"):
            read_document(path, Policy)
