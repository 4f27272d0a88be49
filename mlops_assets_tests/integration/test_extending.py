"""A second project that knows nothing but the built wheel, and whose processes may talk to nobody: it lives.

It has the examples of `docs/how-to/extending.md`, written from that page, and each is used.
"""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from mlops_assets.registration import KINDS
from mlops_assets_tests.documentation.extending import (
    CANDIDATES,
    FILES,
    LIMITS,
    LINES,
    POINTS,
    RULES,
    SOURCE,
    TRIAL,
    write_files,
)  # fmt: skip
from mlops_assets_tests.integration.small_project import FAULTY_WINDOW, SNAPSHOT, TIMED, write_project

pytestmark = pytest.mark.integration
WINDOW = "2021-01-01"
RUN = """
import json, sys, warnings
from datetime import timedelta
import mlops_assets
warnings.simplefilter("ignore")
from pathlib import Path
from click.testing import CliRunner
from mlops_assets.cli import cli
from mlops_assets.evidence.packet.verifier import report
from mlops_assets.inspection.packets import make_packet
from mlops_assets.ledger.events.judgements import GateDecided
from mlops_assets.ledger.events.versions import SnapshotTaken, VersionRegistered
from mlops_assets.monitoring.window_results import DRIFT
from mlops_assets.orchestration.demo.lifecycle import Demo
from mlops_assets.pipeline.drawing import draw_window
from mlops_assets.pipeline.watch import watch
from mlops_assets.platform import Platform
from mlops_assets.notification.routes import Settings
from mlops_assets.pipeline.notices import post_of
from mlops_assets.release.champion import champion_state

platform = Platform.load(Path(sys.argv[1]))
models = list(platform.project.declarations)
demo = Demo(platform, say=lambda line: None)
demo.run()
watched = watch(platform, 0)
ledger = platform.ledger
draw_window(platform, sys.argv[2], sys.argv[4])
later = post_of(platform, Settings()).send([], ledger.clock() + timedelta(minutes=2))

def command(*words):
    done = CliRunner().invoke(cli, words, standalone_mode=False)
    return [done.return_value, done.output + str(done.exception or "")]

registered = {m: ledger.latest_of(VersionRegistered, model=m) for m in models}
print(json.dumps({
    "package": mlops_assets.__file__,
    "windows": [r.subject for r in ledger.records(kind="health_verdict")],
    "failures": demo.failures,
    "champions": {m: champion_state(ledger, m).champion for m in models},
    "gates": {m: [r.event.body() for r in ledger.of(GateDecided, model=m) if r.event.gate == "certainty"] for m in models},
    "algorithms": {m: r.event.algorithm for m, r in registered.items()},
    "reading": list(ledger.latest_of(SnapshotTaken, model=sys.argv[2]).event.reading),
    "drift": platform.window_results(sys.argv[2], sys.argv[3]).read(DRIFT).to_dict(),
    "packet": report(make_packet(platform, sys.argv[2], 1, platform.home.root / "packet.zip")),
    "actions": list(watched.actions),
    "notices": watched.notices,
    "waiting": sum(later.waiting.values()),
    "verify": command("verify"),
    "diff": command("policy", "diff", "stricter", "--json"),
    "replay": command("replay", sys.argv[2], "1"),
}, default=str))
"""


class Pager:
    """A receiver on this machine, which is down for the first notice."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.refused = 0
        pager = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                notice = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if pager.refused == 0:
                    pager.refused += 1
                    self.send_error(503)
                    return
                pager.received.append(notice)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/"


@pytest.fixture(scope="module")
def pager() -> Iterator[Pager]:
    found = Pager()
    thread = threading.Thread(target=found.server.serve_forever, daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()


@pytest.fixture(scope="module")
def project(tmp_path_factory, installed, guarded, pager) -> tuple[Path, dict[str, str]]:
    """A project whose registration, files, policy and declarations are those of the page, and the environment of its processes."""
    root = tmp_path_factory.mktemp("second")
    defs = write_project(root, TIMED, SNAPSHOT)
    write_files(root)
    with (root / "pyproject.toml").open("a") as file:
        file.write("\n" + LINES)
    # What installing the package with this entry point leaves behind.
    point = re.sub(r"^\[project\.entry-points\.\"(.+)\"\]$", r"[\1]", POINTS, flags=re.MULTILINE).replace('"', "")
    dist = root / "plugins" / "my_bank-1.0.dist-info"
    dist.mkdir(parents=True)
    (dist / "METADATA").write_text("Metadata-Version: 2.1\nName: my_bank\nVersion: 1.0\n")
    (dist / "entry_points.txt").write_text(point)
    for path in (defs.parent / "config" / "policy").glob("*.yaml"):
        policy = yaml.safe_load(path.read_text())
        policy["gates"].update(RULES["gates"])
        policy["monitoring"].update(LIMITS["monitoring"])
        path.write_text(yaml.safe_dump(policy))
        policy["gates"]["certainty"] = {**RULES["gates"]["certainty"], "max_share": 0.0}
        (root / "stricter").mkdir(exist_ok=True)
        (root / "stricter" / path.name).write_text(yaml.safe_dump(policy))
    table = pl.read_parquet(root / "data" / "late payments.parquet")
    table.write_ndjson(root / SOURCE["source"]["settings"]["file"])

    def declare(model: str, **changed: Any) -> None:
        path = defs / "models" / model / "defs.yaml"
        declared = yaml.safe_load(path.read_text())
        declared["attributes"].update(changed)
        path.write_text(yaml.safe_dump(declared, allow_unicode=True))

    declare(TIMED, **SOURCE, **CANDIDATES, monitoring={"cadence": "month", "end": "2021-03-01"})
    declare(SNAPSHOT, policy={"gates": {"certainty": {"max_share": 0.0}}})
    environment, _ = guarded
    path = os.pathsep.join([environment["PYTHONPATH"], str(installed), str(root / "plugins"), str(root)])
    return defs, {**environment, "PYTHONPATH": path, "MY_BANK_PAGER_URL": pager.address}


def run(project, *words: str) -> subprocess.CompletedProcess[str]:
    defs, environment = project
    return subprocess.run(
        [sys.executable, "-W", "ignore", *words],
        cwd=defs.parents[1], env=environment, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def life(project) -> dict[str, Any]:
    """What came of one life: trained, released, two windows judged and one drawn, an incident, people notified."""
    done = run(project, "-c", RUN, str(project[0]), TIMED, WINDOW, FAULTY_WINDOW)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def listed(project) -> dict[str, dict[str, Any]]:
    """What `mlops extensions` says in a process of its own."""
    done = run(project, "-c", "from mlops_assets.cli import main; main(['extensions', '--own', '--json'])")
    assert done.returncode == 0, done.stderr
    return {row["name"]: row for row in json.loads(done.stdout)}


def test_it_lives_on_the_wheel(project, life, installed):
    assert Path(life["package"]).is_relative_to(installed), "not the checkout's"
    assert life["windows"] == [WINDOW, FAULTY_WINDOW]
    assert (project[0].parents[1] / ".mlops" / "reports" / "fleet.html").is_file()


def test_its_life_talks_to_nobody(project, life, guarded):
    _, log = guarded
    reports = project[0].parents[1] / ".mlops" / "reports"
    assert list(reports.rglob("evidently.html")), "the page was drawn under the guard"
    assert not log.exists(), log.read_text()


def test_the_page_has_an_example_of_each_kind_and_a_command_lists_them(listed):
    assert {row["kind"] for row in listed.values()} == set(KINDS)
    assert {row["target"].partition(":")[0].replace(".", "/") + ".py" for row in listed.values()} == set(FILES)
    assert listed["pager"]["where"] == "the entry points of my_bank 1.0"
    assert "[tool.mlops_assets.gates]" in listed["certainty"]["where"]


def test_the_gate_permits_one_model_and_blocks_another(life, listed):
    assert life["champions"] == {TIMED: 1, SNAPSHOT: None}
    permitted, blocked = life["gates"][TIMED][-1], life["gates"][SNAPSHOT][-1]
    assert (permitted["outcome"], permitted["threshold"]) == ("passed", RULES["gates"]["certainty"]["max_share"])
    assert (blocked["outcome"], blocked["threshold"]) == ("failed", 0.0)
    for decision in (permitted, blocked):
        assert decision["evidence"]["code"] == listed["certainty"]["code"]
        assert decision["details"]["measured"]["rows"] > 0


def test_the_source_feeds_the_training(life, listed):
    assert f"read by source json_lines, code {listed['json_lines']['code']}" in life["reading"]


def test_the_candidate_wins(life):
    assert life["algorithms"] == {TIMED: "sparse_linear", SNAPSHOT: "linear"}


def test_the_statistic_is_in_the_drift_verdict(life, listed):
    columns = {c["name"]: {s["name"]: s for s in c["statistics"]} for c in life["drift"]["columns"]}
    shift = columns["days-granted"]["mean_shift"]
    assert shift["code"] == listed["mean_shift"]["code"]
    assert 0 <= shift["value"] < 1
    assert 0 <= shift["p_value"] <= 1
    assert "mean_shift" not in columns["größe"], "it is for numbers"


def test_the_section_is_on_the_card_and_covered_by_its_digest(project, life, listed):
    folder = project[0].parents[1] / ".mlops" / "reports" / "cards" / TIMED / "v1"
    assert f"Evidence of {TIMED} is kept for" in (folder / "card.html").read_text(encoding="utf-8")
    own = json.loads((folder / "card.json").read_text(encoding="utf-8"))["own_sections"]["retention"]
    assert own["code"] == listed["retention"]["code"]


def test_the_report_is_written_by_the_job_of_the_fleet(project, life):
    page = (project[0].parents[1] / ".mlops" / "reports" / "tiers.html").read_text(encoding="utf-8")
    assert f"medium: {TIMED}" in page


def test_the_notifier_is_given_every_notice_and_again_what_it_could_not_send(life, pager):
    assert life["notices"] == 2
    assert any("channel pager" in action and "503" in action for action in life["actions"])
    assert (pager.refused, life["waiting"]) == (1, 0), "refused once, and sent again two minutes later"
    assert sorted((n["kind"], n["model"]) for n in pager.received) == [
        ("incident_opened", TIMED),
        ("promotion", TIMED),
    ]


def test_a_packet_says_which_gates_it_cannot_decide_again(life, listed):
    text = "\n".join(life["packet"])
    assert "not decided again: the 17 gates" in text
    assert f"gate certainty is the bank's own, source with SHA-256 {listed['certainty']['code']}" in text


def test_the_live_system_is_verified_and_the_version_trained_again(life):
    for name in ("verify", "replay"):
        code, output = life[name]
        assert code in (0, None), output


def test_the_gate_decides_again_under_another_policy(life):
    output = life["diff"][1]
    changes = [c for c in json.loads(output) if c["gate"] == "certainty"]
    assert [(c["model"], c["before"], c["after"], c["effect"]) for c in changes] == [
        (TIMED, "passed", "failed", "blocks")
    ], output


def test_the_trial_on_the_page_runs(project):
    done = run(project, "-c", TRIAL)
    assert done.returncode == 0, done.stderr
