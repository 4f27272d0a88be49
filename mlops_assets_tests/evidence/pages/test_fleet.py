from mlops_assets.evidence.pages.fleet import Links, render, view
from mlops_assets.ledger.events import champion
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.policy.policy import Policy
from mlops_assets.response.incidents import open_incident
from mlops_assets_tests.evidence.conftest import Declared, at, declaration_of
from mlops_assets_tests.evidence.life import Life

SBA = Declared("sba_loan_default", declaration_of("sba_loan_default"))
BROKEN = Declared("half_written", None, "half_written/defs.yaml:3: teir: <b>unknown</b> field")


def page(ledger: Ledger, **kwargs) -> str:
    return render(view(ledger, [SBA, BROKEN], {}, **kwargs))


def test_broken_models_come_first_and_loudly(lived: Ledger):
    text = page(lived)
    assert text.index("half_written is broken") < text.index("<table")
    assert "teir: &lt;b&gt;unknown&lt;/b&gt; field" in text


def test_what_is_about_no_single_model_needs_attention_too(life: Life):
    open_incident(life.ledger, "", kind="window_overdue", severity="act", summary="2 models read <b>a table</b>.")
    text = page(life.ledger)
    assert text.index("Needs attention") < text.index("2 models read &lt;b&gt;a table&lt;/b&gt;.")
    assert 'href="#fleet"' not in text
    assert "1 open incident." in text


def test_the_events_say_what_happened_and_why(lived: Ledger):
    text = page(lived)
    for sentence in (
        "Gate leakage refused version 1 (0.960, threshold 0.900): term_months leaks.",
        "Version 3 became champion and replaced version 2, with 2 signatures.",
        "Retraining requested by policy: label shift.",
        "Incident inc-1 closed as true: Retrained.",
    ):
        assert sentence in text, sentence


def test_a_day_in_between_shows_what_stood_then(lived: Ledger):
    text = page(lived, as_of=at("2004-04-15"))
    assert "Incident inc-1" in text
    assert "Exception to gate fairness" in text
    assert "Version 3" not in text


def test_strip_marks_where_another_version_decides(lived: Ledger):
    text = page(lived, links={"sba_loan_default": Links(windows={"2004-04-01": "windows/2004-04-01.html"})})
    assert 'class="watch changed"' in text
    assert 'href="windows/2004-04-01.html"' in text
    assert text.count(" changed") == 1


def test_stands_alone_and_says_whether_the_ledger_is_whole(lived: Ledger):
    text = page(lived, problems=[p.message for p in lived.verify()])
    assert "are intact" in text
    assert "<script" not in text
    assert "http://" not in text
    assert "The ledger has been tampered with or damaged:</strong> record 3" in page(
        lived, problems=["record 3 does not match"]
    )
    assert "was not checked" in page(lived)


def test_the_same_ledger_gives_the_same_page(lived: Ledger):
    assert page(lived) == page(lived)


def test_an_empty_fleet_is_a_page_too(ledger: Ledger):
    assert "0 models" in render(view(ledger, [], {}))


def test_states_are_shown_and_a_model_that_is_not_judged_is_not_called_healthy(life: Life):
    life.adopt(when="2003-09-19")
    life.release("1", "2003-09-20")
    life.clock.at = at("2004-04-02")
    text = page(life.ledger, as_of=life.clock.at)
    assert "Not monitored:</strong> 2 windows have ended since 2003-10-01, and none has a verdict." in text
    assert '<span class="badge critical">2 not judged</span>' in text
    life.intervene("developer", champion.Suspension, "1", "wrong prices", "2004-04-03")
    text = page(life.ledger)
    assert '<span class="badge critical">suspended</span>' in text
    assert "1 suspended." in text
    life.intervene("model-risk", champion.Retirement, "1", "replaced by another model", "2004-04-04")
    text = page(life.ledger)
    assert '<span class="badge quiet">retired</span>' in text
    assert "Retired</strong> on 2004-04-04 00:00 UTC" in text
    assert "replaced by another model" in text


def test_a_gate_that_the_policy_does_not_require_is_marked_in_the_events(life: Life):
    life.adopt(when="2003-09-19")
    life.register("1")
    life.decide("1", "fairness", "failed", reason="women 0.5")
    gates = {"fairness": {"required": False}, "performance": {"required": True}}
    lax = Policy.model_validate({"tier": "high", "approvals": [], "gates": gates})
    text = render(view(life.ledger, [SBA], {SBA.name: lax}))
    assert "Gate fairness failed for version 1 (0.700, threshold 0.600), not required by the policy: women 0.5." in text
    strict = Policy.model_validate({"tier": "high", "approvals": [], "gates": {"fairness": {"required": True}}})
    assert "Gate fairness refused version 1" in render(view(life.ledger, [SBA], {SBA.name: strict}))


def test_a_long_event_log_says_how_many_events_it_leaves_out(life: Life):
    life.adopt(when="2003-09-19")
    life.release("1", "2003-09-20")
    for number in range(70):
        life.incident(f"inc-{number}", cause=f"cause {number}")
    text = page(life.ledger)
    assert "The latest 60 events; " in text
    assert "older ones are in the ledger" in text
