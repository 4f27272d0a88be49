"""A result is read as it was written, or not at all."""

from dataclasses import asdict, dataclass, field

import pytest

from mlops_assets.stores.results import Kind, ResultError, WindowResults, is_window, windows_with_results


@dataclass(frozen=True)
class Counted:
    rows: int


COUNTED = Kind("counted", asdict, lambda stored: Counted(**stored))


@dataclass
class Book:
    """Remembers digests as the ledger does."""

    digests: dict[tuple[str, str], str] = field(default_factory=dict)

    def keep(self, model: str, run_id: str, name: str, digest: str) -> None:
        self.digests[(run_id, name)] = digest

    def digest(self, run_id: str, name: str) -> str | None:
        return self.digests.get((run_id, name))


@pytest.fixture
def results(tmp_path) -> WindowResults:
    return WindowResults(tmp_path, "loans", "2021-01-01", Book())


def test_what_is_written_is_read(results):
    digest = results.write(COUNTED, Counted(7))
    assert results.read(COUNTED) == Counted(7)
    assert results.read(COUNTED, digest) == Counted(7)
    assert results.digest(COUNTED) == digest
    assert windows_with_results(results.reports, "loans") == ["2021-01-01"]


def test_a_second_result_takes_the_place_of_the_first(results):
    first = results.write(COUNTED, Counted(7))
    results.write(COUNTED, Counted(8))
    assert results.read(COUNTED) == Counted(8)
    with pytest.raises(ResultError, match="was changed"):
        results.read(COUNTED, first)


def test_a_result_that_was_changed_is_refused(results):
    results.write(COUNTED, Counted(7))
    path = results.path("counted")
    path.write_text(path.read_text().replace("7", "8"))
    with pytest.raises(ResultError, match=r"counted.json was changed: it has digest .* expected"):
        results.read(COUNTED)


def test_a_result_that_was_never_written_names_what_to_run(results):
    assert not results.has(COUNTED)
    with pytest.raises(ResultError, match="materialize loans/counted for this window first"):
        results.read(COUNTED)
    assert results.shown(COUNTED) is None


def test_a_page_shows_nothing_of_a_file_that_is_cut_short(results):
    results.write(COUNTED, Counted(7))
    results.path("counted").write_text('{"rows"')
    assert results.shown(COUNTED) is None


def test_digests_of_windows_and_of_runs_are_told_apart(results):
    assert is_window(results.subject)
    assert not is_window("6d1f0a0c3b1f4f5c9c7a4b0b8c8a1234")
