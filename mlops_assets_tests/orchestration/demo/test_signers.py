"""Who is enrolled for a demo."""

from mlops_assets.orchestration.demo.signers import people_of


def test_every_declared_developer_is_enrolled_and_the_signers_keep_their_roles() -> None:
    found = people_of(["ada", " Bob:Cards", "developer", "validator"])
    assert {name for name, roles in found.items() if roles == ("developer",)} == {"ada", "bob:cards", "developer"}
    assert found["validator"] == ("validator",)
