"""docs/errors.md says what the code does."""

import shutil
import subprocess
import sys
from pathlib import Path


def run(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(tree / "scripts" / "error_table.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def copy_of(project: Path, tmp_path: Path) -> Path:
    for name in ("scripts/error_table.py", "docs/errors.md"):
        (tmp_path / name).parent.mkdir()
        shutil.copy(project / name, tmp_path / name)
    return tmp_path / "docs" / "errors.md"


def test_the_tables_are_current(project: Path) -> None:
    checked = run(project, "--check")
    assert checked.returncode == 0, f"{checked.stdout}{checked.stderr}"


def test_a_stale_table_is_noticed_and_written_anew(project: Path, tmp_path: Path) -> None:
    page = copy_of(project, tmp_path)
    current = page.read_text()
    page.write_text(current.replace("`RateLimited` | `rate_limited`", "`Unavailable` | `unavailable`"))
    checked = run(tmp_path, "--check")
    assert (checked.returncode, "run python scripts/error_table.py" in checked.stderr) == (1, True)
    assert run(tmp_path).returncode == 0
    assert page.read_text() == current


def test_a_page_without_marks_is_refused(project: Path, tmp_path: Path) -> None:
    page = copy_of(project, tmp_path)
    page.write_text("# Errors\n")
    assert run(tmp_path).returncode == 2
    assert page.read_text() == "# Errors\n"
