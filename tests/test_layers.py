"""import-linter holds the floors: it knows the package as it is, and sees an import that goes up."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT

WRONG = {
    "a floor above": ("errors.py", "from emonk import runtime"),
    "a neighbour": ("gateway/upward.py", "from emonk import agents"),
    "past the public door": ("agents/marketing/upward.py", "from emonk.store import protocol"),
    "late, inside a function": ("messages.py", "def late():\n    from emonk import store"),
}


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--no-logo"]
    environment = os.environ | {"PYTHONPATH": str(tree / "src"), "NO_COLOR": "1"}
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(PROJECT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    return tmp_path


def test_no_import_goes_up(copy: Path) -> None:
    result = lint(copy)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(("name", "statement"), WRONG.values(), ids=list(WRONG))
def test_a_wrong_import_is_seen(copy: Path, name: str, statement: str) -> None:
    with (copy / "src" / "emonk" / name).open("a", encoding="utf-8") as file:
        file.write(f"\n{statement}\n")
    result = lint(copy)
    assert result.returncode == 1
    assert "BROKEN" in result.stdout


def test_a_room_without_a_floor_is_seen(copy: Path) -> None:
    (copy / "src" / "emonk" / "utils.py").touch()
    result = lint(copy)
    assert result.returncode == 1
    assert "emonk.utils" in result.stdout
