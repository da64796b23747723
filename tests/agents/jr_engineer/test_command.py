"""`emonk review`, as a user runs it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.agents.jr_engineer.repositories import Repo


def emonk(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from emonk.cli import main; main()", *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})}
    )


@pytest.fixture
def flawed(repo: Repo) -> Repo:
    """A last commit with one high and one low finding."""
    repo.commit({"a.txt": ""})
    repo.commit({"a.py": "import os\nprint(undefined)\n"})
    return repo


def test_the_last_commit_of_this_directory_is_reviewed(flawed: Repo) -> None:
    done = emonk("review", cwd=flawed.path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "HIGH     a.py:2  F821" in done.stdout
    assert "\x1b" not in done.stdout


def test_json_goes_to_standard_output_alone(flawed: Repo, tmp_path: Path) -> None:
    options = ("--repo", str(flawed.path), "--base", "HEAD~1", "--head", "HEAD", "--format", "json")
    done = emonk("review", *options, cwd=tmp_path)
    assert [finding["rule"] for finding in json.loads(done.stdout)["findings"]] == ["F821", "F401"]


@pytest.mark.parametrize(("limit", "code"), [("critical", 0), ("high", 1), ("medium", 1), ("low", 1), ("info", 1)])
def test_fail_on_decides_the_exit_code(flawed: Repo, limit: str, code: int) -> None:
    assert emonk("review", "--fail-on", limit, cwd=flawed.path).returncode == code


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--format", "xml"], "--format xml is unknown (one of text, markdown, json)"),
        (["--fail-on", "awful"], "--fail-on awful is unknown"),
        (["--base", ""], "--base is empty (name a revision, or leave --base out to review the last commit)"),
        (["--base", " "], "--base is empty"),
        (["--base", "nope"], "unknown revision 'nope'"),
        (["--head", "--output=x"], "unknown revision '--output=x'"),
        (["--repo", "/"], "/ is not a git repository"),
        (["--repo", "missing"], "missing is not a directory"),
        (["--output", "no/such/dir.md"], "cannot write no/such/dir.md"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(flawed: Repo, arguments: list[str], told: str) -> None:
    done = emonk("review", *arguments, cwd=flawed.path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_damaged_repository_is_exit_code_2_too(flawed: Repo) -> None:
    blob = flawed.git("rev-parse", "HEAD:a.py").decode().strip()
    (flawed.path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    done = emonk("review", cwd=flawed.path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_an_unexpected_failure_is_no_judgement(flawed: Repo) -> None:
    program = (
        "import sys\nfrom emonk.agents.jr_engineer.review import engine\nfrom emonk.cli import main\n"
        "def fail(*given): raise ZeroDivisionError('so many')\nengine.read_diff = fail\nmain()"
    )
    command = [sys.executable, "-c", program, "review", "--fail-on", "critical"]
    done = subprocess.run(command, cwd=flawed.path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "error: the review failed: ZeroDivisionError: so many" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_full_disk_is_no_judgement(flawed: Repo) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        command = [sys.executable, "-c", "from emonk.cli import main; main()", "review"]
        done = subprocess.run(command, cwd=flawed.path, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert b"No space left" in done.stderr


def test_no_git_is_told(flawed: Repo, tmp_path: Path) -> None:
    done = emonk("review", cwd=flawed.path, env={"PATH": str(tmp_path)})
    assert done.returncode == 2
    assert "git is not installed" in done.stderr


def test_an_empty_diff_is_no_error(repo: Repo) -> None:
    repo.commit({"a.py": "x = 1\n"})
    done = emonk("review", "--base", "HEAD", "--fail-on", "info", cwd=repo.path)
    assert done.returncode == 0
    assert "nothing changed between" in done.stdout


def test_output_writes_a_file(flawed: Repo) -> None:
    done = emonk("review", "--format", "markdown", "--output", "review.md", cwd=flawed.path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "### HIGH `a.py:2` F821" in (flawed.path / "review.md").read_text()


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_stops_reading_sees_no_traceback_and_code_141(flawed: Repo, unbuffered: str) -> None:
    flawed.commit({f"m{n}.py": "".join(f"print(missing_{line})\n" for line in range(60)) for n in range(20)})
    command = [sys.executable, "-c", "from emonk.cli import main; main()", "review", "--fail-on", "critical"]
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    child = subprocess.Popen(command, cwd=flawed.path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.read(10)
    child.stdout.close()
    assert child.stderr is not None
    with child.stderr as errors:
        assert errors.read() == b""
    assert child.wait(60) == 141


def test_an_interrupt_ends_it_with_130_and_leaves_nothing_behind(repo: Repo, tmp_path: Path) -> None:
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\ntouch "{tmp_path}/started"\nexec sleep 600\n')
    slow.chmod(0o755)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    env = {**os.environ, "PATH": f"{slow.parent}:/usr/bin:/bin", "TMPDIR": str(scratch)}
    # Who runs the tests may ignore ctrl-c, and its children inherit that.
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from emonk.cli import main; main()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, "review"],
        cwd=repo.path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while not (tmp_path / "started").exists() and child.poll() is None:
        os.sched_yield()
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130
    assert b"Traceback" not in errors
    assert list(scratch.iterdir()) == []


def test_declaring_the_command_loads_no_part_of_a_review() -> None:
    program = (
        "import sys, typer\nbefore = set(sys.modules)\nimport emonk.agents.jr_engineer.extension\n"
        "print([m for m in set(sys.modules) - before if 'review' in m or m in ('unidiff', 'asyncio')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
