import pytest

from mlops_assets.ledger.keys import SigningKey
from mlops_assets.stores.home import Home, exposed


@pytest.fixture
def home(tmp_path) -> Home:
    made = Home.of(tmp_path, {})
    made.create()
    SigningKey.generate().save(made.keys / "validator.pem")
    return made


def test_a_home_that_was_just_made_is_closed_to_others(home):
    assert exposed(home) == []


def test_what_others_may_reach_is_named_with_the_command_that_closes_it(home):
    home.root.chmod(0o755)
    (home.keys / "validator.pem").chmod(0o640)
    first, second = exposed(home)
    assert "has mode 0755, expected 0700" in first
    assert first.endswith(f"chmod 700 {home.root}")
    assert "validator.pem has mode 0640" in second
    assert "a private key" in second


def test_a_home_that_does_not_exist_is_not_exposed(tmp_path):
    assert exposed(Home.of(tmp_path, {})) == []
