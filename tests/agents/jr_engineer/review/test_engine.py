"""A whole review: its frame, its ledger, its ids, its end."""

import ast
import asyncio
import itertools
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from emonk.agents.jr_engineer.review.background import review_in_thread
from emonk.agents.jr_engineer.review.engine import CHECKS, review
from emonk.agents.jr_engineer.review.findings import SEVERITIES, LedgerRow
from emonk.agents.jr_engineer.review.processes import Cancelled, Processes
from emonk.errors import ConfigError
from tests.agents.jr_engineer.repositories import Repo


def test_the_summary_frames_the_review(repo: Repo) -> None:
    base = repo.commit({"a.py": "X = 1\n", "README.md": "hello\n"})
    head = repo.commit({"a.py": "X = 2\nY = 3\n"})
    ticks = itertools.count(10.0, 2.5)
    summary = review(repo.path, clock=lambda: next(ticks)).summary
    assert (summary.base, summary.merge_base, summary.head) == (base, base, head)
    assert (summary.files, summary.lines_added, summary.lines_removed) == (1, 2, 1)
    assert summary.findings == dict.fromkeys(SEVERITIES, 0)
    assert summary.checks == CHECKS
    assert set(summary.tools) == {"git", "ruff"}
    assert summary.seconds == 2.5
    assert summary.complete


def test_nothing_changed_is_said_in_words(repo: Repo) -> None:
    repo.commit({"a.py": "X = 1\n"})
    head = repo.commit()
    finished = review(repo.path)
    assert (finished.findings, finished.ledger) == ([], [])
    assert finished.summary.message == f"nothing changed between {finished.summary.base[:12]} and {head[:12]}"


def test_the_ledger_has_every_file_and_every_check(repo: Repo) -> None:
    repo.commit({"gone.py": "X = 1\n", "logo.png": b"\0", "kept.txt": "1\n"})
    repo.commit(
        {"gone.py": None, "logo.png": b"\0\1", "kept.txt": "2\n", "new.py": "import os\n", "tests/test_a.py": ""}
    )
    finished = review(repo.path)
    files = ["gone.py", "kept.txt", "logo.png", "new.py", "tests/test_a.py"]
    assert [(row.file, row.check) for row in finished.ledger] == [(file, check) for file in files for check in CHECKS]
    reasons = {(row.file, row.check): (row.status, row.reason) for row in finished.ledger}
    assert reasons["gone.py", "ruff"] == ("skipped", "deleted")
    assert reasons["kept.txt", "ruff"] == ("skipped", "not Python")
    assert reasons["logo.png", "missing-tests"] == ("skipped", "binary")
    assert reasons["new.py", "ruff"] == ("findings", "")
    assert reasons["tests/test_a.py", "missing-tests"] == ("skipped", "a test")


def test_reviews_at_the_same_time_all_see_everything(repo: Repo) -> None:
    deep = "x = " + "(" * 80 + "1" + ")" * 80 + "\ny = " + "-" * 80 + "1\n"
    functions = "".join(f"def f{number}():\n    return {{{number}: [{number}]}}\n" for number in range(100))
    repo.commit({"a.txt": ""})
    repo.commit({f"part{number}.py": deep + functions for number in range(6)})
    with ThreadPoolExecutor(4) as pool:
        finished = [pool.submit(review, repo.path).result for _ in range(4)]
    assert [one().summary.complete for one in finished] == [True] * 4
    assert len({msgspec.json.encode([one().findings, one().ledger]) for one in finished}) == 1


def test_a_parser_that_fails_makes_the_review_incomplete(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_text: str) -> ast.Module:
        raise SystemError("AST constructor recursion depth mismatch (before=63, after=66)")

    repo.commit({"a.txt": ""})
    repo.commit({"a.py": "def f():\n    return [1]\n"})
    with monkeypatch.context() as broken:
        broken.setattr(ast, "parse", fail)
        finished = review(repo.path)
    rows = {row.check: row for row in finished.ledger}
    assert rows["missing-tests"].status == rows["docs-gaps"].status == "failed"
    assert "recursion depth mismatch" in rows["docs-gaps"].reason
    assert not finished.summary.complete


def test_a_file_too_large_to_analyse_makes_the_review_incomplete(repo: Repo) -> None:
    repo.commit({"a.txt": ""})
    repo.commit({"big.py": "x = 1\n" * 200_000})
    finished = review(repo.path)
    assert LedgerRow("big.py", "ruff", "failed", "larger than 1 MiB") in finished.ledger
    assert not finished.summary.complete
    assert finished.summary.lines_added == 200_000


def test_a_huge_file_is_not_searched_for_lines(repo: Repo) -> None:
    repo.commit({"a.txt": ""})
    repo.commit({"huge.py": b"x = 1\n" * 3_000_000, "huge.csv": b"1,2,3\n" * 3_000_000})
    finished = review(repo.path)
    assert finished.summary.lines_added == 0
    assert LedgerRow("huge.py", "ruff", "failed", "larger than 1 MiB") in finished.ledger
    assert LedgerRow("huge.csv", "ruff", "skipped", "not Python") in finished.ledger


def test_ids_survive_a_push_that_moves_the_line(repo: Repo) -> None:
    base = repo.commit({"a.py": "X = 1\n"})
    repo.commit({"a.py": "X = 1\nimport os\nimport sys\n"})
    first = {finding.title: finding.id for finding in review(repo.path, base=base).findings}
    repo.commit({"a.py": "# more\n# and more\nX = 1\nimport os\nimport sys\n"})
    second = {finding.title: finding.id for finding in review(repo.path, base=base).findings}
    assert first == second
    assert len(set(first.values())) == 2


def test_the_same_line_twice_has_two_ids(repo: Repo) -> None:
    repo.commit({"a.py": ""})
    repo.commit({"a.py": "eval(x)\neval(x)\n"})
    finished = review(repo.path)
    assert len({finding.id for finding in finished.findings}) == len(finished.findings) == 4


def test_findings_come_gravest_first_then_by_place(repo: Repo) -> None:
    repo.commit({"a.txt": ""})
    repo.commit({"b.py": "import os\nprint(undefined)\n", "a.py": "import os\nimport sys\n"})
    found = [(finding.severity, finding.file, finding.line) for finding in review(repo.path).findings]
    assert found == [("high", "b.py", 2), ("low", "a.py", 1), ("low", "a.py", 2), ("low", "b.py", 1)]


def test_every_finding_stands_on_a_line_of_the_diff(repo: Repo) -> None:
    repo.commit({"a.py": "import os\n\n\ndef f():\n    return os.sep\n", "b.py": "def g():\n    return 1\n"})
    repo.commit({"a.py": "\n\ndef f():\n    return os.sep\n", "b.py": "def g(x):\n    return x * 2\n"})
    lines = {"a.py": {1}, "b.py": {1, 2}}
    finished = review(repo.path)
    assert finished.findings
    assert all(finding.line in lines[finding.file] for finding in finished.findings)


def test_a_change_of_fifty_thousand_lines_is_reviewed_whole(repo: Repo) -> None:
    repo.commit({"a.txt": ""})
    modules: dict[str, str | bytes | None] = {
        f"m{n}.py": "import os\n" + "".join(f"value_{line} = {line}\n" for line in range(4999)) for n in range(10)
    }
    repo.commit(modules)
    finished = review(repo.path)
    assert finished.summary.lines_added == 50_000
    assert [finding.rule for finding in finished.findings] == ["F401"] * 10
    assert finished.summary.complete


def test_deeply_nested_code_is_accounted_for(repo: Repo) -> None:
    repo.commit({"a.py": "x = 1\n"})
    repo.commit({"a.py": "x = " + "-" * 5000 + "1\n", "b.py": "x = " + "(" * 3000 + ")" * 3000 + "\n"})
    finished = review(repo.path)
    assert len(finished.ledger) == 2 * len(CHECKS)


def test_stages_are_told(repo: Repo) -> None:
    repo.commit({"a.py": "x = 1\n"})
    told: list[str] = []
    review(repo.path, progress=told.append)
    assert told == ["reading the diff", "running ruff on 1 Python file", "looking for tests and documentation"]


def test_a_cancelled_review_ends(repo: Repo) -> None:
    repo.commit({"a.py": "x = 1\n"})
    processes = Processes()

    def cancel(stage: str) -> None:
        if stage.startswith("running ruff"):
            processes.cancel()

    with pytest.raises(Cancelled):
        review(repo.path, progress=cancel, processes=processes)


def test_cancelling_kills_what_is_running(tmp_path: Path) -> None:
    processes = Processes()
    fifo = tmp_path / "started"
    command = ["sh", "-c", 'touch "$0"; exec sleep 600', str(fifo)]
    ended = threading.Event()

    def run() -> None:
        with pytest.raises(Cancelled):
            processes.run(command, cwd=tmp_path, env={"PATH": "/usr/bin:/bin"})
        ended.set()

    thread = threading.Thread(target=run)
    thread.start()
    while not fifo.exists():
        ended.wait(0.01)
    processes.cancel()
    thread.join(30)
    assert ended.is_set()


def test_a_cancelled_task_waits_until_its_thread_has_cleaned_up(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.commit({"a.py": "x = 1\n"})
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))

    async def main() -> None:
        begun = asyncio.Event()
        task = asyncio.create_task(review_in_thread(repo.path, "", "HEAD", progress=lambda _: begun.set()))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert list(scratch.iterdir()) == []

    asyncio.run(main())


def test_a_missing_program_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no-such-program is not installed"):
        Processes().run(["no-such-program"], cwd=tmp_path, env={"PATH": str(tmp_path)})
