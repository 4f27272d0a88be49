import subprocess
from pathlib import Path

import pytest

from mlops_assets.training.reproducibility import (
    code_authors,
    code_version,
    environment,
    environment_digest,
    pinned_requirements,
    training_key,
)
from mlops_assets_tests.training.tables import declare


def test_environment_names_what_the_numbers_depend_on() -> None:
    found = environment()
    assert found["packages"]["scikit-learn"].startswith("1.")
    assert "absent" not in found["packages"].values()
    assert environment_digest() == environment_digest(found)
    changed = {**found, "packages": {**found["packages"], "numpy": "0"}}
    assert environment_digest(changed) != environment_digest(found)
    assert all("==" in line for line in pinned_requirements())


def test_code_version_follows_the_source_of_own_algorithms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "bank_scorecards.py"
    module.write_text("def build():\n    return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    model = declare(candidates=["bank_scorecards:build"])
    first = code_version(model)
    assert first == code_version(model) != code_version()
    module.write_text("def build():\n    return 2\n")
    assert code_version(model) != first
    with pytest.raises(ValueError, match="no_such_module"):
        code_version(declare(candidates=["no_such_module:build"]))


@pytest.mark.parametrize("position", range(5))
def test_every_part_changes_the_key(position: int) -> None:
    parts: list[object] = ["declaration", "data", "code", "environment", 7]
    changed = list(parts)
    changed[position] = 8 if position == 4 else "other"
    assert training_key(*parts) == training_key(*parts)  # type: ignore[arg-type]
    assert training_key(*changed) != training_key(*parts)  # type: ignore[arg-type]


def test_authors_are_read_from_the_history_of_the_models_folder(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        settings = ["-c", "user.name=c", "-c", "user.email=c@bank", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(tmp_path), *settings, *words], check=True, capture_output=True)

    model, other = tmp_path / "models" / "loans", tmp_path / "models" / "cards"
    git("init", "-q")
    for folder, author in ((model, "Ann Lee <ann.lee@bank>"), (other, "Bo <bo@bank>"), (model, "Cy <cyrus@bank>")):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "defs.yaml").write_text(author)
        git("add", ".")
        git("commit", "-q", "-m", "change", "--author", author)
    assert set(code_authors(model)) == {"Ann Lee", "ann.lee", "Cy", "cyrus"}
    assert code_authors(tmp_path.parent / "no repository") == ()
