"""A report of a bank's own is an asset of the fleet, and its failure is its own."""

from dataclasses import replace

import dagster as dg
import pytest

from mlops_assets.extensions import Report, Written
from mlops_assets.orchestration.fleet import fleet_assets, fleet_jobs
from mlops_assets.registration import ExtensionError, code_digest, registered
from mlops_assets.report import REPORTS, ReportError, ReportInputs, write_report


def write(given):
    (given.folder / "tiers.txt").write_text("high: 1")
    return Written({"tiers": 1, "file": given.folder / "tiers.txt"})


OWN = Report("tiers", "Models by tier.", write, page="tiers.txt")


def test_every_report_is_an_asset_after_what_it_reads_and_part_of_the_job():
    with registered(OWN):
        assets = {a.key.path[1]: a for a in fleet_assets([]) if a.key.path[1] in REPORTS}
        definitions = dg.Definitions(assets=list(fleet_assets([])), jobs=fleet_jobs([]), resources={"platform": None})
        job = definitions.resolve_job_def("fleet__report")
        nodes = set(job.graph.node_dict)
    assert list(assets) == ["inventory", "roi_report", "proof_report", "fleet_report", "tiers"]
    assert assets["tiers"].dependency_keys == {dg.AssetKey(["fleet", "inventory"])}
    assert assets["tiers"].code_versions_by_key[assets["tiers"].key] == code_digest(__name__)
    assert nodes == {f"fleet__{name}" for name in assets}


def test_it_is_written_with_its_code(tmp_path):
    with registered(OWN):
        found = write_report(OWN, ReportInputs(None, tmp_path))  # pyright: ignore[reportArgumentType]
    assert found.metadata == {"tiers": 1, "file": tmp_path / "tiers.txt", "code": code_digest(__name__)}
    assert (tmp_path / "tiers.txt").read_text() == "high: 1"


def raising(given):
    raise KeyError("high")


@pytest.mark.parametrize(
    ("write", "reason"), [(raising, "KeyError: 'high'"), (lambda given: "done", "write returned str, expected Written")]
)
def test_its_failure_is_one_error_with_the_reason(tmp_path, write, reason):
    own = replace(OWN, write=write)
    with registered(own), pytest.raises(ReportError, match=reason):
        write_report(own, ReportInputs(None, tmp_path))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"name": "watch"}, "another asset of the fleet"),
        ({"reads": ("inventri",)}, "it reads 'inventri', expected one of inventory"),
        ({"reads": ("tiers",)}, "it reads 'tiers'"),
    ],
)
def test_what_cannot_be_an_asset_is_refused(changed, reason):
    own = replace(OWN, **changed)
    with registered(own), pytest.raises(ExtensionError, match=reason):
        REPORTS[own.name]
