"""Children of a review: what they may take, and that they end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emonk.agents.jr_engineer.review import diff, repository
from emonk.agents.jr_engineer.review.engine import review
from emonk.agents.jr_engineer.review.processes import Processes
from emonk.errors import DeadlineExceeded, InfraError, InvalidConfig
from tests.agents.jr_engineer.repositories import Repo

PATH = {"PATH": "/usr/bin:/bin"}


def _nested(repo: Repo, depth: int) -> str:
    """A commit of 10 to the power of `depth` files, made of `depth` trees."""
    blob = repo.git("hash-object", "-w", "--stdin", feed=b"x = 1\n").decode().strip()
    tree = repo.git("mktree", feed="".join(f"100644 blob {blob}\tf{n}.txt\n" for n in range(10)).encode())
    for _ in range(depth - 1):
        rows = "".join(f"040000 tree {tree.decode().strip()}\td{n}\n" for n in range(10))
        tree = repo.git("mktree", feed=rows.encode())
    return repo.git("commit-tree", tree.decode().strip(), "-p", "HEAD", "-m", "nested").decode().strip()


def test_a_million_equal_files_are_refused(repo: Repo) -> None:
    repo.commit({"a.py": "x = 1\n"})
    head = _nested(repo, 6)
    with pytest.raises(InvalidConfig, match=rf"{head[:12]} has more than 500,000 files, which is too much to review"):
        review(repo.path, head=head)
    with pytest.raises(InvalidConfig, match="has more than 500,000 files"):
        review(repo.path, base=head, head=head)


def test_more_changed_files_than_anybody_reads_are_refused(repo: Repo) -> None:
    repo.commit({"a.py": "x = 1\n"})
    with pytest.raises(InvalidConfig, match="changes more than 20,000 files"):
        review(repo.path, head=_nested(repo, 5))


def test_more_changed_lines_than_the_most_are_refused(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diff, "MOST_LINES", 100)
    repo.commit({"a.txt": ""})
    repo.commit({"a.txt": "line\n" * 101})
    with pytest.raises(InvalidConfig, match="changes more than 100 lines"):
        review(repo.path)


def test_as_many_files_as_the_most_are_reviewed(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "MOST_FILES", 10)
    repo.commit({"f0.txt": ""})
    assert review(repo.path, head=_nested(repo, 1)).summary.files == 10


def test_output_is_bounded_while_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(InfraError, match="more than 100,000 bytes"):
        Processes(most_output=100_000).run(["yes"], cwd=tmp_path, env=PATH)


def test_a_huge_file_of_the_packaging_metadata_is_not_read(repo: Repo) -> None:
    repo.commit({"pyproject.toml": 'requires-python = ">=3.8"\n' + "#" * 2_000_000, "a.py": "x = 1\n"})
    repo.commit({"a.py": "def f(x: list[int]) -> None:\n    match x:\n        case _:\n            pass\n"})
    assert not [finding for finding in review(repo.path).findings if finding.rule == "syntax-version"]


def test_a_child_that_takes_too_long_ends_with_all_that_it_started(tmp_path: Path) -> None:
    script = f'sleep 600 & echo $! >"{tmp_path}/pid"; wait'
    with pytest.raises(DeadlineExceeded, match=r"sh took more than 0.5 s"):
        Processes(patience=0.5).run(["sh", "-c", script], cwd=tmp_path, env=PATH)
    _wait_until_gone(int((tmp_path / "pid").read_text()))


def test_a_pipe_as_configuration_does_not_hang_the_review(repo: Repo) -> None:
    repo.commit({"a.py": "x = 1\n"})
    os.mkfifo(repo.path / ".git" / "pipe")
    with (repo.path / ".git" / "config").open("a", encoding="utf-8") as config:
        config.write("[include]\n\tpath = pipe\n")
    with pytest.raises(DeadlineExceeded, match=r"git took more than 0.5 s"):
        review(repo.path, processes=Processes(patience=0.5))


@pytest.mark.skipif(sys.platform != "linux", reason="needs setpriv")
def test_a_killed_review_leaves_no_child(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from emonk.agents.jr_engineer.review.processes import Processes\n"
        "command = ['sh', '-c', 'echo $$ >pid; exec sleep 600']\n"
        "Processes().run(command, cwd=Path(sys.argv[1]), env=dict(PATH='/usr/bin:/bin'))"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)])
    written = tmp_path / "pid"
    while not (written.exists() and written.read_text().strip()) and child.poll() is None:
        os.sched_yield()
    child.send_signal(signal.SIGKILL)
    child.wait(60)
    _wait_until_gone(int(written.read_text()))


def _wait_until_gone(pid: int) -> None:
    """A process without parent may stay as a zombie until something collects it."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state in {"Z", "X"}:
            return
        os.sched_yield()
    pytest.fail(f"process {pid} is still there")
