"""What each signed act does to a version, by the state in which it meets it: the table of docs/reference/controls.md, cell by cell."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from mlops_assets.governance.adoption import adopt
from mlops_assets.governance.approvals import sign_approval
from mlops_assets.governance.conclusions import Judgement, sign_conclusion
from mlops_assets.governance.exceptions import sign_exception
from mlops_assets.governance.findings import record_finding
from mlops_assets.governance.validations import record_validation
from mlops_assets.release.interventions import InterventionRefused, resume, retire, rollback, suspend
from mlops_assets.release.oversight import due, review_due
from mlops_assets.release.promotion import PromotionRefused, promote
from mlops_assets_tests.governance.world import MODEL, World, build, policy

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "controls.md"
HEADING = "### What each signed act does, by the state of the version"
POLICY = policy(release={"shadow_windows": 1}, validation={"required": True, "rejection_term_days": 30})


def champion(world: World, version: int) -> None:
    world.register(version, time=True)
    world.decide(POLICY, version)
    record_validation(world.ledger, world.keys["validator"], POLICY, MODEL, version, "approved", "examined")
    world.approve(POLICY, "validator", "risk", version=version)
    if version > 1:
        world.score(f"2020-0{version}-01", version)
    promote(world.ledger, world.registry, POLICY, MODEL, version, world.verify_artifact)


def reach(world: World, state: str) -> int:
    """Bring the model into the state; the number of the version that is in it."""
    adopt(world.ledger, MODEL, POLICY)
    champion(world, 1)
    if state in ("before approval", "approved, in shadow"):
        world.register(2, time=True)
        world.decide(POLICY, 2, fairness="failed")
        if state == "approved, in shadow":
            world.approve(POLICY, "validator", "risk", version=2)
        return 2
    champion(world, 2)
    risk = world.keys["risk"]
    if state == "suspended":
        suspend(world.ledger, world.registry, MODEL, risk, "odd")
    if state == "retired":
        retire(world.ledger, world.registry, MODEL, risk, "over")
    world.clock.pass_days(1)
    return 1 if state == "former champion" else 2


def act(world: World, name: str, version: int) -> None:
    ledger, registry, keys = world.ledger, world.registry, world.keys
    later = world.clock.now + timedelta(days=20)
    verify = world.verify_artifact
    acts: dict[str, Callable[[], object]] = {
        "approval": lambda: sign_approval(ledger, keys["second"], MODEL, version, "sound", policy=POLICY),
        "rejection": lambda: sign_approval(ledger, keys["second"], MODEL, version, "no", "reject", policy=POLICY),
        "validation, approved": lambda: record_validation(
            ledger, keys["second"], POLICY, MODEL, version, "approved", "ok"
        ),
        "validation, rejected": lambda: record_validation(
            ledger, keys["second"], POLICY, MODEL, version, "rejected", "unfit"
        ),
        "validation, approved with conditions": lambda: record_validation(
            ledger, keys["second"], POLICY, MODEL, version, "approved_with_conditions", "ok", conditions=["small loans"]
        ),
        "conclusion on a clause": lambda: sign_conclusion(
            ledger, keys["second"], MODEL, version, Judgement("sr_26_2", "V.1.a", "answered", "sound", "e" * 64)
        ),
        "critical finding": lambda: record_finding(
            ledger, keys["second"], MODEL, "critical", "weak", "developer", later, version=version
        ),
        "exception": lambda: sign_exception(
            ledger, keys["risk"], POLICY, MODEL, "fairness", "pilot", later, version=version
        ),
        "suspension": lambda: suspend(ledger, registry, MODEL, keys["risk"], "odd"),
        "resumption": lambda: resume(ledger, registry, MODEL, keys["risk"], "fine", verify),
        "rollback to it": lambda: rollback(ledger, registry, MODEL, keys["risk"], "worse", verify, version=version),
        "retirement": lambda: retire(ledger, registry, MODEL, keys["risk"], "over"),
    }
    acts[name]()


@dataclass(frozen=True)
class Seen:
    """How the model stands: what is due, when the champion must be validated again, what keeps the version from promotion."""

    status: str
    deciding: int | None
    due: frozenset[str]
    review: datetime | None
    reasons: tuple[str, ...] = ()


def seen(world: World, version: int) -> Seen:
    state = world.ledger.state()
    model = state.model(MODEL)
    now = model.champion
    openings = frozenset(o.kind for o in due(state, POLICY, MODEL, world.ledger.clock()))
    found = Seen(now.status, now.deciding, openings, review_due(model, POLICY)[0] if now.status != "retired" else None)
    if now.champion == version or now.status == "retired":
        return found
    with pytest.raises(PromotionRefused) as refusal:
        promote(world.ledger, world.registry, POLICY, MODEL, version, world.verify_artifact)
    return replace(found, reasons=refusal.value.reasons)


RETURN = {"suspended": "resumption", "former champion": "rollback to it"}
"""How a version comes to decide again."""


def barred(world: World, version: int, state: str) -> list[str]:
    """Whether it can come to decide again."""
    try:
        act(world, RETURN.get(state, "approval"), version)
    except InterventionRefused:
        return [f"bars {RETURN[state].split()[0]}"]
    return []


def effect(world: World, name: str, version: int, state: str) -> str:
    """What an act does, in the words of the table."""
    before, records = seen(world, version), len(world.ledger.records())
    try:
        act(world, name, version)
    except InterventionRefused:
        assert len(world.ledger.records()) == records
        assert seen(world, version) == before
        return "refused"
    after = seen(world, version)
    assert world.ledger.state().refused == ()
    if after.status != before.status:
        return {"suspended": "nothing decides", "retired": "the model ends", "active": "it decides again"}[after.status]
    if after.deciding != before.deciding:
        return "it decides again" if after.deciding == version else "another version decides"
    words = ["incident"] if after.due - before.due else []
    about = {reason.split(":")[0] for reason in before.reasons}
    if any(reason.split(":")[0] not in about for reason in after.reasons):
        words.append("blocks promotion")
    elif after.reasons != before.reasons:
        words.append("counts for promotion")
    if before.review is not None and after.review is not None and after.review > before.review:
        words.append("renews its validation")
    words += barred(world, version, state) if state in RETURN else []
    return "; ".join(words) or "recorded"


def table() -> list[tuple[str, str, str]]:
    """Act, state and effect of each cell of the page's table."""
    lines = PAGE.read_text(encoding="utf-8").partition(HEADING)[2].partition("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    header, cells = rows[0][1:], rows[2:]
    return [(row[0], state, text) for row in cells for state, text in zip(header, row[1:], strict=True)]


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[World, int]]:
    """A world in which the model is in the state, and the version that is; brought there once."""

    @cache
    def found(state: str) -> tuple[World, int]:
        world = build(tmp_path_factory.mktemp("world"))
        return world, reach(world, state)

    return found


@pytest.mark.parametrize(("name", "state", "expected"), table(), ids=lambda text: text.replace(" ", "-"))
def test_an_act_does_what_the_page_says(reached, tmp_path, name, state, expected):
    world, version = reached(state)
    assert effect(world.copy(tmp_path), name, version, state) == expected
