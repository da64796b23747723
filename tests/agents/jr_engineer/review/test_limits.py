"""Files that are made to break a review, or to flood it: the others are reviewed, and the ledger says what was not."""

import logging
from collections.abc import Sequence

import pytest

from emonk.agents.jr_engineer.review.checks import docs_gaps, lint
from emonk.agents.jr_engineer.review.checks.halving import Crashed, by_halves
from emonk.agents.jr_engineer.review.checks.limits import MOST_SHOWN
from emonk.agents.jr_engineer.review.engine import CHECKS, review
from emonk.agents.jr_engineer.review.findings import Review
from emonk.agents.jr_engineer.review.report import as_json
from emonk.agents.jr_engineer.review.source import decode
from tests.agents.jr_engineer.repositories import Repo

FLAW = "import os\n"


def _reviewed(repo: Repo, hostile: str | bytes, before: str = "") -> Review:
    """A review of one hostile file beside one with an ordinary flaw."""
    repo.commit({"hostile.py": before, "plain.py": "", "CHANGELOG.md": ""})
    repo.commit({"hostile.py": hostile, "plain.py": FLAW})
    finished = review(repo.path)
    assert [finding.rule for finding in finished.findings if finding.file == "plain.py"] == ["F401"]
    return finished


def _rows(finished: Review) -> dict[str, tuple[str, str]]:
    return {row.check: (row.status, row.reason) for row in finished.ledger if row.file == "hostile.py"}


@pytest.mark.parametrize("encoding", ["punycode", "undefined", "idna"])
def test_a_strange_encoding_fails_its_own_file_only(repo: Repo, encoding: str) -> None:
    finished = _reviewed(repo, f"# coding: {encoding}\nx = 1\n")
    assert _rows(finished)["ruff"] == ("failed", f"declares {encoding}, which no source is written in")
    assert not finished.summary.complete


@pytest.mark.parametrize("encoding", ["zlib", "hex", "rot13", "utf-7", "unicode_escape", "latin-1", "none-such", "\0"])
def test_whatever_a_cookie_says_is_text_or_a_reason(encoding: str) -> None:
    source = decode(f"# coding: {encoding}\nx = '\\ud800 +AAo-\\N{{'\n".encode(), python=True)
    assert (source.text is None) == bool(source.problem)


def test_nesting_that_cannot_be_printed_fails_its_own_file_only(repo: Repo, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        finished = _reviewed(repo, "def f(y=a" + "()" * 900 + "): return 1\n")
    status, reason = _rows(finished)["docs-gaps"]
    assert (status, reason.split(":")[0]) == ("failed", "RecursionError")
    assert "docs-gaps of hostile.py failed" in caplog.text
    assert not finished.summary.complete


@pytest.mark.parametrize(
    ("module", "name", "failed"),
    [(lint, "_syntax", {"syntax", "ruff"}), (docs_gaps, "_label", {"docs-gaps"})],
)
def test_what_a_check_did_not_expect_is_a_row_of_the_ledger(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, module: object, name: str, failed: set[str]
) -> None:
    def fail(*_given: object) -> str:
        raise ZeroDivisionError("so many")

    monkeypatch.setattr(module, name, fail)
    repo.commit({"a.py": "", "CHANGELOG.md": ""})
    repo.commit({"a.py": "def f(x):\n    return {x}\n"})
    rows = [row for row in review(repo.path).ledger if row.file == "a.py" and row.status == "failed"]
    assert {row.check for row in rows} == failed
    assert {row.reason for row in rows} == {"ZeroDivisionError: so many"}


def test_a_check_that_fails_as_a_whole_leaves_the_others(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_given: object) -> str:
        raise ZeroDivisionError("so many")

    monkeypatch.setattr(docs_gaps, "_without_moves", fail)
    finished = _reviewed(repo, "x = 1\n")
    assert _rows(finished)["docs-gaps"] == ("failed", "ZeroDivisionError: so many")
    assert {check for check, row in _rows(finished).items() if row[0] != "failed"} == set(CHECKS) - {"docs-gaps"}


@pytest.mark.parametrize("line", ["x=" + "<".join(["a"] * 30_000), "x=" + "-" * 5000 + "1", "x=" + "a+" * 30_000 + "a"])
def test_a_long_line_is_cut_and_its_findings_are_counted(repo: Repo, line: str) -> None:
    finished = _reviewed(repo, f"{line}\n", before=f"{line}+1\n")
    assert len(as_json(finished)) < 300_000
    assert max(len(part) for finding in finished.findings for part in finding.evidence.split("\n")) < 300


def test_code_on_which_ruff_crashes_fails_its_own_file_only(repo: Repo) -> None:
    rows = _rows(_reviewed(repo, "x = " + "a+" * 100_000 + "a\n"))
    assert {check for check, row in rows.items() if row[0] == "failed"} == set(CHECKS) - {"secrets"}
    assert "ruff crashes on it" in rows["ruff"][1]


def test_the_names_on_which_a_program_crashes_are_found() -> None:
    def double(names: Sequence[str]) -> list[str]:
        if {"b", "f"} & set(names):
            raise Crashed("no")
        return [name * 2 for name in names]

    assert by_halves("abcdefg", double) == (["aa", "cc", "dd", "ee", "gg"], {"b": "no", "f": "no"})


def test_where_a_program_always_crashes_the_search_ends() -> None:
    def crash(_names: Sequence[str]) -> list[str]:
        raise Crashed("no")

    with pytest.raises(Crashed):
        by_halves("x" * 10_000, crash)


def test_more_findings_of_a_rule_than_are_shown_are_counted_in_one(repo: Repo) -> None:
    finished = _reviewed(repo, "".join(f"eval(input({n}))\n" for n in range(MOST_SHOWN + 7)))
    found = [finding for finding in finished.findings if finding.rule == "S307" and finding.file == "hostile.py"]
    assert len(found) == MOST_SHOWN + 1
    (more,) = [finding for finding in found if finding.title == "7 more findings of S307 in this file"]
    assert more.line == MOST_SHOWN + 1
    assert "line 51, 52, 53, 54, 55, 56, 57." in more.detail
    assert more.severity == found[0].severity
    assert _rows(finished)["ruff"] == ("findings", "7 more of S307 in one finding")
    assert finished.summary.complete


def test_a_flood_of_one_rule_makes_the_review_incomplete(repo: Repo) -> None:
    finished = _reviewed(repo, "".join(f"print(missing_{n})\n" for n in range(1500)))
    reason = "too many diagnostics: the first 1,000 of F821 were compared"
    assert _rows(finished)["ruff"] == ("failed", reason)
    assert not finished.summary.complete
