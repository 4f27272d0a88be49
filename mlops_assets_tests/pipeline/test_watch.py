"""When there is something to look at, and to show."""

from types import SimpleNamespace
from typing import cast

from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.pipeline.watch import newest_record, reason_to_watch
from mlops_assets.platform import Platform
from mlops_assets_tests.ledger.made import health_verdict


def test_every_new_record_is_a_reason_to_write_the_pages_again(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", head_key=SigningKey.generate())
    platform = cast(
        Platform,
        SimpleNamespace(
            ledger=ledger,
            registry=SimpleNamespace(everything=dict),
            home=SimpleNamespace(root=tmp_path, reports=tmp_path / "reports"),
            project=SimpleNamespace(declarations={}),
        ),
    )
    assert newest_record(platform) == 0
    assert reason_to_watch(platform, 0) is None
    for window in ("2021-01-01", "2021-02-01"):
        before = newest_record(platform)
        record = ledger.append(health_verdict(window), model="loans", subject=window)
        reason = reason_to_watch(platform, before)
        assert reason is not None
        assert f"records up to {record.seq} are new" in reason.text
        assert reason_to_watch(platform, newest_record(platform)) is None, "shown once"
