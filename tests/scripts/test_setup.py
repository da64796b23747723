"""`scripts/setup.py` on a copy of the project whose development lock is the small one, from what uv has cached."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.requirements import skip_without

INTERRUPTED = "run unfinished "


def setup(tree: Path, kind: str) -> str:
    """What the setup says on its standard output."""
    result = subprocess.run(
        [sys.executable, tree / "scripts" / "setup.py", kind],
        env=os.environ | {"UV_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        skip_without("uv-cache", f"uv's cache does not hold what the setup needs: {result.stderr.strip()}")
    return result.stdout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    if not (PROJECT / ".uv" / ".emonk-setup").exists():
        skip_without("uv", "no .uv here: run make setup")
    copy = tmp_path / "tree"
    for name in ("src", "scripts"):
        shutil.copytree(PROJECT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "requirements-run.lock", "requirements-uv.lock"):
        shutil.copy(PROJECT / name, copy)
    shutil.copy(PROJECT / "requirements-run.lock", copy / "requirements.lock")
    (copy / ".uv").symlink_to(PROJECT / ".uv")
    return copy


def works(tree: Path) -> bool:
    code = "import emonk, starlette; print(emonk.__file__)"
    found = subprocess.run([tree / ".venv" / "bin" / "python", "-c", code], capture_output=True, text=True, check=False)
    return found.stdout.strip() == str(tree / "src" / "emonk" / "__init__.py")


def test_sets_up_once_and_then_says_nothing(tree: Path) -> None:
    assert "requirements-run.lock into .venv" in setup(tree, "run")
    assert works(tree)
    assert setup(tree, "run") == ""


def test_an_interrupted_setup_is_done_again(tree: Path) -> None:
    setup(tree, "run")
    (tree / ".venv" / ".emonk-setup").write_text(f"{INTERRUPTED}{tree}")
    shutil.rmtree(next((tree / ".venv" / "lib").glob("python*")) / "site-packages" / "starlette")
    for record in (tree / ".venv").glob("lib/python*/site-packages/starlette-*"):
        shutil.rmtree(record)
    assert setup(tree, "run")
    assert works(tree)


def test_a_newer_lock_is_followed(tree: Path) -> None:
    setup(tree, "run")
    with (tree / "requirements-run.lock").open("a") as lock:
        lock.write("# another\n")
    assert setup(tree, "run")


def test_what_is_set_up_for_development_stays_so(tree: Path) -> None:
    assert "requirements.lock into .venv" in setup(tree, "dev")
    assert setup(tree, "run") == ""
    with (tree / "requirements.lock").open("a") as lock:
        lock.write("# another\n")
    assert "requirements.lock into .venv" in setup(tree, "run")


def test_a_moved_tree_and_a_broken_environment_are_made_anew(tree: Path) -> None:
    setup(tree, "run")
    moved = tree.rename(tree.with_name("moved"))
    assert setup(moved, "run")
    assert works(moved)
    (moved / ".venv" / "bin" / "python").unlink()
    assert setup(moved, "run")
    assert works(moved)


def test_an_old_python_is_told_so() -> None:
    script = PROJECT / "scripts" / "setup.py"
    ast.parse(script.read_text(encoding="utf-8"), feature_version=(3, 7))
    code = f"import runpy, sys; sys.version_info = (3, 9, 2, 'final', 0); runpy.run_path({str(script)!r})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == "emonk needs Python 3.11 or newer, this is 3.9; try: make PYTHON=python3.12\n"


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)


def test_make_alone_lists_its_targets() -> None:
    listed = {line.split()[1] for line in make().stdout.splitlines()}
    assert {"help", "setup", "run", "test", "check", "bench", "lock", "clean"} <= listed


def test_no_python_is_told_so() -> None:
    result = make("setup", "PYTHON=no-such-python")
    assert result.returncode == 2
    assert result.stderr.splitlines()[0] == (
        "no no-such-python here: install Python 3.11 or newer, or name yours: make PYTHON=..."
    )
