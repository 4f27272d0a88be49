"""`mlops draw`, `mlops drill` and `mlops calibrate` on a project that has lived; the last two touch nothing of it."""

import hashlib
from pathlib import Path

import pytest
import yaml

from mlops_assets.fleet_files import write_fleet_page
from mlops_assets.platform import Platform
from mlops_assets.policy.policy import effective
from mlops_assets_tests.commands.conftest import Call, Own, refused
from mlops_assets_tests.integration.small_project import FAULTY_WINDOW, NUMBER, SNAPSHOT, TIMED

pytestmark = pytest.mark.integration


def fingerprint(lived) -> dict[str, object]:
    """Everything that a command could have changed."""
    home = lived.platform.home
    files = [p for folder in (home.lake, home.reports) for p in sorted(Path(folder).rglob("*")) if p.is_file()]
    return {
        "files": {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files},
        "ledger": [r.digest for r in lived.ledger.records()],
        "aliases": lived.registry.aliases(TIMED),
        "versions": sorted(lived.registry.versions(TIMED)),
    }


class TestDraw:
    def test_a_window_is_drawn_when_somebody_asks_and_its_page_then_links_to_it(self, own: Own) -> None:
        folder = own.root / ".mlops" / "reports" / "windows" / TIMED / FAULTY_WINDOW
        command = f"mlops draw {TIMED} {FAULTY_WINDOW}"
        assert command in (folder / "index.html").read_text(encoding="utf-8")
        answer = own("draw", TIMED, FAULTY_WINDOW)
        assert (answer.code, answer.out.strip()) == (0, str(folder / "evidently.html")), answer
        assert "days-granted" in (folder / "evidently.html").read_text(encoding="utf-8")
        page = (folder / "index.html").read_text(encoding="utf-8")
        assert command not in page
        assert 'href="evidently.html"' in page

    @pytest.mark.parametrize(
        ("model", "window", "message"),
        [
            ("no_such", FAULTY_WINDOW, "no_such: no such model"),
            (SNAPSHOT, FAULTY_WINDOW, f"{SNAPSHOT} has no windows"),
            (TIMED, "1999-01-01", "the window 1999-01-01 was not scored"),
            (TIMED, "2021-01-17", "2021-01-17"),
        ],
    )
    def test_what_cannot_be_drawn_is_said_in_one_line(self, mlops: Call, model: str, window: str, message: str) -> None:
        answer = mlops("draw", model, window)
        assert answer.code == 2 or answer.code == 1
        refused(answer, answer.code, message)


class TestDrill:
    @pytest.fixture(scope="class")
    def drilled(self, lived):
        from mlops_assets_tests.commands.conftest import call_in

        before = fingerprint(lived)
        answer = call_in(lived.platform.project.root, "drill", TIMED, "--windows", 1, "--json")
        return {(r["name"], r["size"]): r for r in answer.json}, answer, before == fingerprint(lived)

    def test_nothing_real_is_touched(self, drilled):
        assert drilled[2]

    def test_the_window_as_it_is_shows_nothing(self, drilled):
        assert drilled[0]["no fault", "the window as it is"]["caught"] == 0

    @pytest.mark.parametrize(
        "drill",
        [
            ("nulls", "30% of one feature"),
            ("unit change", "times 100"),
            ("renamed category", "the most frequent"),
            ("stale batch", "the window before, once more"),
        ],
    )
    def test_broken_feeds_are_acted_on_at_once(self, drilled, drill):
        found = drilled[0][drill]
        assert (found["caught"], found["named"], found["delay"]) == (1, 1, 1.0)

    @pytest.mark.parametrize(
        "drill",
        [
            ("base-rate shift", "2 times the positives"),
            ("concept flip", "in 20% of the rows"),
            ("concept flip", "in one group"),
        ],
    )
    def test_what_only_outcomes_show_is_caught_with_them(self, drilled, drill):
        found = drilled[0][drill]
        assert (found["windows"], found["caught"], found["note"]) == (1, 1, "")

    def test_a_model_of_numbers_is_drilled_with_its_outcomes_too(self, mlops):
        answer = mlops("drill", NUMBER, "--windows", 1, "--json")
        found = {(r["name"], r["size"]): r for r in answer.json}
        assert found["nulls", "30% of one feature"]["caught"] == 1
        for drill in (("base-rate shift", "target up by 0.5 of its spread"), ("concept flip", "in 20% of the rows")):
            assert (found[drill]["windows"], found[drill]["caught"], found[drill]["note"]) == (1, 1, "")

    def test_the_table_has_every_drill(self, mlops):
        answer = mlops("drill", NUMBER, "--windows", 1)
        assert "unit change" in answer.out
        assert "windows until the severity is act" in answer.out

    def test_a_model_without_windows_is_drilled_on_held_out_rows_and_says_so(self, mlops):
        rows = {(r["name"], r["size"]): r for r in mlops("drill", SNAPSHOT, "--json").json}
        assert "no window has been scored yet" in rows["no fault", "the window as it is"]["note"]
        assert rows["no fault", "the window as it is"]["caught"] == 0
        assert rows["unit change", "times 100"]["named"] == 1


class TestCalibrate:
    def test_thresholds_history_and_lines_to_adopt_them(self, lived, mlops):
        before = fingerprint(lived)
        answer = mlops("calibrate", NUMBER, "--draws", 20, "--json")
        assert answer.code == 0, answer.err
        found = answer.json
        assert (found["model"], found["asked"], found["windows_a_year"]) == (NUMBER, 1.0, 4)
        psi = next(t for t in found["thresholds"] if t["name"] == "psi")
        assert (psi["basis"], psi["windows"]) == ("resampled", 20)
        assert [w["window"] for w in found["history"]] == ["2021-01-01", "2021-04-01"]
        lines = yaml.safe_load(found["yaml"])
        stricter = effective(lived.platform.policy(NUMBER), lines["policy"])
        assert stricter.monitoring.psi_act == psi["proposed"] < lived.platform.policy(NUMBER).monitoring.psi_act
        assert before == fingerprint(lived)

    def test_the_history_is_told_window_by_window(self, mlops):
        answer = mlops("calibrate", TIMED, "--draws", 20, "--per-year", 2)
        assert answer.code == 0, answer.err
        assert "at most 2 false alarms per year, in 12 windows" in answer.out
        assert "Effect on 5 recorded windows" in answer.out
        assert "missing_values" in answer.out

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            ((SNAPSHOT,), 2, "no event time"),
            ((NUMBER, "--per-year", 0), 2, "expected more than 0"),
            (("nosuch",), 2, "nosuch"),
        ],
    )
    def test_what_cannot_be_calibrated_is_one_line(self, mlops, arguments, code, said):
        answer = mlops("calibrate", *arguments)
        assert (answer.code, answer.out) == (code, "")
        assert said in answer.err
        assert len(answer.err.strip().splitlines()) == 1


def test_what_people_say_of_an_alarm_is_its_record(own):
    incident = next(i for i in own("incident", "list", TIMED, "--json").json if i["kind"] == "data_quality")
    closed = own(
        "incident", "close", incident["id"], "--disposition", "true", "--note", "half of the amounts were missing",
        "--key", own.key("validator"),
    )  # fmt: skip
    assert closed.code == 0, closed.err
    rows = own("status", TIMED, "--json").json["alarm_precision"]
    earned = {(r["by"], r["name"]): r for r in rows}
    assert (earned["rule", "missing_values"]["true"], earned["rule", "missing_values"]["precision"]) == (1, 1.0)
    assert earned["kind", "data_quality"]["windows"] == 1
    calibrated = own("calibrate", TIMED, "--draws", 20, "--json").json
    told = {w["window"]: w for w in calibrated["history"]}
    assert (told[FAULTY_WINDOW]["disposition"], told[FAULTY_WINDOW]["truth"]) == ("true", "changed")
    assert calibrated["precision"] == rows
    page, _ = write_fleet_page(Platform.load(next(own.root.glob("bank_*/defs"))))
    assert "Closed alarms: 1 true, 0 false, 0 expected" in page.read_text(encoding="utf-8")
