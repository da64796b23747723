"""The checks `syntax` and `ruff`: what counts as brought by the change."""

from pathlib import Path

import pytest

from emonk.agents.jr_engineer.review.engine import review
from emonk.agents.jr_engineer.review.findings import Finding, LedgerRow, Review
from tests.agents.jr_engineer.repositories import Repo

SHELL = "import subprocess\n\n\ndef run(command):\n    subprocess.call(command, shell=True)\n"


def linted(finished: Review) -> list[Finding]:
    return [finding for finding in finished.findings if finding.tool == "ruff"]


def rules(repo: Repo) -> list[tuple[str, int]]:
    return [(finding.rule, finding.line) for finding in linted(review(repo.path))]


def row(finished: Review, check: str) -> LedgerRow:
    (found,) = [row for row in finished.ledger if row.check == check]
    return found


def test_a_new_flaw_is_found_where_it_stands_with_its_proof(repo: Repo) -> None:
    base = repo.commit({"app.py": "import subprocess\n"})
    repo.commit({"app.py": SHELL})
    (finding,) = linted(review(repo.path))
    assert (finding.file, finding.line, finding.end_line) == ("app.py", 5, 5)
    assert (finding.rule, finding.tool, finding.severity) == ("S602", "ruff", "high")
    assert "5:     subprocess.call(command, shell=True)" in finding.evidence
    assert base[:12] in finding.evidence


def test_an_old_flaw_in_a_changed_file_is_not_reported(repo: Repo) -> None:
    repo.commit({"app.py": SHELL})
    repo.commit({"app.py": "# a comment\n" + SHELL + "\n\nX = 1\n"})
    assert rules(repo) == []


def test_a_flaw_that_moved_within_the_file_is_not_new(repo: Repo) -> None:
    before = "import subprocess\n\n\ndef a(command):\n    subprocess.call(command, shell=True)\n\n\n"
    filler = "".join(f"def f{n}():\n    return [{n}]\n\n\n" for n in range(20))
    repo.commit({"app.py": before + filler})
    repo.commit({"app.py": before.split("\n", maxsplit=1)[0] + "\n\n\n" + filler + before.split("\n\n\n", 1)[1]})
    assert rules(repo) == []


def test_a_flaw_that_moved_to_another_file_is_not_new(repo: Repo) -> None:
    repo.commit({"app.py": SHELL, "b.py": "X = 1\n"})
    repo.commit({"app.py": "Y = 1\n", "b.py": "X = 1\n" + SHELL})
    assert rules(repo) == []


def test_a_flaw_copied_while_the_old_one_stays_is_new(repo: Repo) -> None:
    repo.commit({"app.py": SHELL})
    repo.commit({"app.py": SHELL + "\n\ndef again(command):\n    subprocess.call(command, shell=True)\n"})
    assert rules(repo) == [("S602", 9)]


def test_a_flaw_in_a_renamed_file_is_not_new(repo: Repo) -> None:
    repo.commit({"app.py": SHELL})
    repo.commit({"app.py": None, "shell.py": SHELL})
    assert rules(repo) == []


def test_indenting_a_flaw_does_not_make_it_new(repo: Repo) -> None:
    repo.commit({"app.py": SHELL})
    indented = SHELL.replace("    subprocess.call", "    if command:\n        subprocess.call")
    repo.commit({"app.py": indented})
    assert rules(repo) == []


def test_a_small_edit_of_a_flawed_line_does_not_make_it_new(repo: Repo) -> None:
    repo.commit({"app.py": SHELL})
    repo.commit({"app.py": SHELL.replace("command", "words")})
    assert rules(repo) == []


def test_a_literal_that_becomes_input_is_new(repo: Repo) -> None:
    repo.commit({"app.py": "def f(request):\n    return eval('1+1')\n"})
    repo.commit({"app.py": "def f(request):\n    return eval(request.args['expression'])\n"})
    assert rules(repo) == [("S307", 2)]


def test_a_name_left_undefined_is_shown_where_its_import_went(repo: Repo) -> None:
    body = "\n\ndef f():\n    return os.sep\n"
    repo.commit({"app.py": "import os\nimport sys\n" + body + "print(sys.path)\n"})
    repo.commit({"app.py": "import sys\n" + body + "print(sys.path)\n"})
    (finding,) = linted(review(repo.path))
    assert (finding.rule, finding.severity, finding.line) == ("F821", "high", 1)
    assert "line 5" in finding.detail
    assert "5:     return os.sep" in finding.evidence


def test_an_import_left_unused_is_shown_where_its_last_use_went(repo: Repo) -> None:
    repo.commit({"app.py": "import os\n\n\ndef f():\n    x = 1\n    return os.sep\n"})
    repo.commit({"app.py": "import os\n\n\ndef f():\n    x = 1\n    return x\n"})
    assert rules(repo) == [("F401", 6)]


def test_what_another_module_imports_is_not_unused(repo: Repo) -> None:
    user = "from package.other import parse\n\nprint(parse)\n"
    repo.commit({"package/__init__.py": "", "use.py": user})
    repo.commit({"package/other.py": "from json import loads as parse\nfrom json import dumps\n"})
    (finding,) = linted(review(repo.path))
    assert (finding.rule, finding.line) == ("F401", 2)
    assert "dumps" in finding.title


def test_code_that_stops_parsing_is_one_finding_and_says_what_was_not_checked(repo: Repo) -> None:
    repo.commit({"app.py": "def f():\n    return 1\n"})
    repo.commit({"app.py": "def f(:\n    return 1\n"})
    finished = review(repo.path)
    assert [(finding.rule, finding.severity, finding.line) for finding in finished.findings] == [
        ("syntax-error", "high", 1)
    ]
    assert row(finished, "syntax").status == "findings"
    for check in ("ruff", "missing-tests", "docs-gaps"):
        assert row(finished, check).status == "failed"
        assert "does not parse" in row(finished, check).reason
    assert not finished.summary.complete


def test_code_that_never_parsed_is_in_the_ledger_only(repo: Repo) -> None:
    repo.commit({"app.py": "print 'hello'\n"})
    repo.commit({"app.py": "print 'hello'\nprint 'again'\n"})
    finished = review(repo.path)
    assert finished.findings == []
    assert row(finished, "ruff").status == "failed"


def test_syntax_of_a_later_python_is_right_where_none_is_declared(repo: Repo) -> None:
    repo.commit({"app.py": "x = {'a': 1}\n"})
    repo.commit({"app.py": "x = {'a': 1}\ntype Number = int\nprint(f'{x['a']}', Number)\n"})
    finished = review(repo.path)
    assert linted(finished) == []
    assert row(finished, "ruff").status == "ok"


def test_syntax_too_new_for_the_declared_python_is_found(repo: Repo) -> None:
    repo.commit({"app.py": "x = 1\n", "pyproject.toml": '[project]\nrequires-python = ">=3.8"\n'})
    repo.commit({"app.py": "x = 1\nmatch x:\n    case 1:\n        pass\n"})
    assert rules(repo) == [("syntax-version", 2)]


@pytest.mark.parametrize(
    ("base", "head", "found"),
    [(">=3.8", ">=3.12", []), (">=3.12", ">=3.8", []), (">=3.8", ">=3.9", [("syntax-version", 2)])],
)
def test_the_higher_of_both_declared_pythons_counts(
    repo: Repo, base: str, head: str, found: list[tuple[str, int]]
) -> None:
    repo.commit({"app.py": "x = 1\n", "setup.cfg": f"[options]\npython_requires = {base}\n"})
    newer = f"[options]\npython_requires = {head}\n"
    repo.commit({"app.py": "x = 1\nmatch x:\n    case 1:\n        pass\n", "setup.cfg": newer})
    assert rules(repo) == found


def test_configuration_of_the_branch_silences_nothing(repo: Repo) -> None:
    repo.commit({"app.py": "x = 1\n"})
    ignore = 'lint.ignore = ["ALL"]\nexclude = ["*.py"]\n'
    repo.commit({"app.py": SHELL, "ruff.toml": ignore, "pyproject.toml": '[tool.ruff]\nexclude = ["*"]\n'})
    assert rules(repo) == [("S602", 5)]


@pytest.mark.parametrize("path", ["build/app.py", ".venv/app.py", "node_modules/app.py", "site-packages/a/app.py"])
def test_no_directory_hides_a_file_from_ruff(repo: Repo, path: str) -> None:
    repo.commit({"a.txt": ""})
    repo.commit({path: SHELL})
    assert rules(repo) == [("S602", 5)]


def test_a_new_noqa_over_a_security_finding_is_listed(repo: Repo) -> None:
    repo.commit({"app.py": "import subprocess\n"})
    repo.commit({"app.py": SHELL.replace("shell=True)", "shell=True)  # noqa: S602")})
    (finding,) = linted(review(repo.path))
    assert (finding.rule, finding.severity, finding.line) == ("silenced-S602", "info", 5)


def test_security_rules_are_not_held_against_tests(repo: Repo) -> None:
    repo.commit({"a.txt": ""})
    repo.commit({"tests/test_app.py": SHELL + "    assert command\n    undefined_name()\n"})
    assert rules(repo) == [("F821", 7)]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("tests/requests/valid/001.py", False),
        ("tests/requests/valid/get.py", False),
        ("tests/test_app.py", True),
        ("tests/app_test.py", True),
        ("tests/conftest.py", True),
        ("tests/__init__.py", True),
        ("app.py", True),
    ],
)
def test_names_may_be_given_to_what_lies_beside_tests(repo: Repo, path: str, found: bool) -> None:
    repo.commit({"a.txt": ""})
    repo.commit({path: 'request = {"uri": uri("/first")}\n'})
    assert rules(repo) == ([("F821", 1)] if found else [])


@pytest.mark.parametrize(
    ("line", "found"),
    [("r.content", False), ("r.content  # loads it", False), ("r.content == 1", True), ("1", True), ("[r]", True)],
)
def test_reading_an_attribute_may_have_an_effect(repo: Repo, line: str, found: bool) -> None:
    repo.commit({"a.txt": ""})
    repo.commit({"app.py": f"def f(r):\n    {line}\n    return r\n"})
    assert bool(linted(review(repo.path))) == found


@pytest.mark.parametrize(
    ("path", "code", "found"),
    [
        ("app.py", "str = str\n", ["PLW0127"]),
        ("compat.py", "str = str\n", []),
        ("compat.py", "from json import loads\n", []),
        ("package/__init__.py", "import json\nstr = str\n", []),
        ("app.py", "try:\n    import simplejson\nexcept ImportError:\n    import json\n", []),
        ("app.py", "import sys\nif sys.version_info[0] == 2:\n    str = unicode\nelse:\n    str = str\n", []),
        ("app.py", "try:\n    import simplejson\nexcept ValueError:\n    import json\n", ["F401", "F401"]),
    ],
)
def test_names_bound_for_several_versions_are_no_flaw(repo: Repo, path: str, code: str, found: list[str]) -> None:
    repo.commit({"a.txt": ""})
    repo.commit({path: code})
    assert [rule for rule, _ in rules(repo)] == found


@pytest.mark.parametrize(("code", "severity"), [("raise\n", "high"), ("def f():\n    raise\n", "low")])
def test_a_bare_raise_in_a_function_may_be_called_by_a_handler(repo: Repo, code: str, severity: str) -> None:
    repo.commit({"a.txt": ""})
    repo.commit({"app.py": code})
    assert [(item.rule, item.severity) for item in linted(review(repo.path))] == [("PLE0704", severity)]


@pytest.mark.parametrize(
    ("code", "rule", "severity"),
    [
        ("def f(db, name):\n    db.execute(f'SELECT * FROM users WHERE name = {name}')\n", "S608", "high"),
        ("def f(code):\n    exec(code)\n", "S102", "high"),
        ("import time\n\n\nasync def f():\n    time.sleep(1)\n", "ASYNC251", "medium"),
        ("def f():\n    raise NotImplemented\n", "F901", "high"),
        ("print('%s %' % (1,))\n", "F501", "high"),
        ("print(1 is 1)\n", "F632", "high"),
    ],
)
def test_injection_is_graver_than_waiting(repo: Repo, code: str, rule: str, severity: str) -> None:
    repo.commit({"a.txt": ""})
    repo.commit({"app.py": code})
    assert (rule, severity) in [(item.rule, item.severity) for item in linted(review(repo.path))]


def test_input_of_tests_may_be_as_broken_as_it_likes(repo: Repo) -> None:
    repo.commit({"a.txt": ""})
    repo.commit({"tests/fixtures/bad.py": SHELL})
    finished = review(repo.path)
    assert finished.findings == []
    assert row(finished, "ruff").reason == "test data"


def test_a_coding_cookie_is_obeyed(repo: Repo) -> None:
    repo.commit({"app.py": "x = 1\n"})
    repo.commit({"app.py": "# coding: latin-1\nNAME = 'é'\nimport os\n".encode("latin-1")})
    finished = review(repo.path)
    assert [(finding.rule, finding.line) for finding in finished.findings] == [("F401", 3)]


def test_bytes_outside_the_encoding_are_a_finding_and_in_the_ledger(repo: Repo) -> None:
    repo.commit({"app.py": "x = 1\n"})
    repo.commit({"app.py": b"x = '\xe9'\n"})
    finished = review(repo.path)
    assert [finding.rule for finding in finished.findings] == ["syntax-error"]
    assert row(finished, "ruff") == LedgerRow("app.py", "ruff", "failed", "not UTF-8")
    assert not finished.summary.complete


@pytest.mark.parametrize("separator", ["\f", "\u2028", "\x85", "\r"])
def test_line_numbers_are_git_s_whatever_python_calls_a_line(repo: Repo, separator: str) -> None:
    repo.commit({"app.py": f"X = '''{separator}'''\n# a{separator}# b\n"})
    repo.commit({"app.py": f"X = '''{separator}'''\n# a{separator}# b\nimport os\n"})
    assert rules(repo) == [("F401", 3)]


def test_a_script_without_an_ending_is_python_when_its_first_line_says_so(repo: Repo) -> None:
    repo.commit({"a.txt": ""})
    repo.commit({"bin/tool": "#!/usr/bin/env python3\nimport os\n", "bin/other": "#!/bin/sh\nimport os\n"})
    assert rules(repo) == [("F401", 2)]


def test_names_that_climb_out_of_a_directory_write_nothing_there(repo: Repo, tmp_path: Path) -> None:
    base = repo.commit_tree({b"a.py": b"x = 1\n"})
    blob = repo.git("hash-object", "-w", "--stdin", feed=SHELL.encode()).decode().strip()
    inner = repo.git("mktree", feed=f"100644 blob {blob}\tescaped.py\n".encode()).decode().strip()
    outer = (
        repo.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", feed=_tree(b"..", inner)).decode().strip()
    )
    head = repo.git("commit-tree", outer, "-p", base, "-m", "x").decode().strip()
    finished = review(repo.path, base=base, head=head)
    assert [finding.file for finding in linted(finished)] == ["../escaped.py"]
    assert not list(tmp_path.rglob("escaped.py"))


def _tree(name: bytes, sha: str) -> bytes:
    return b"40000 " + name + b"\0" + bytes.fromhex(sha)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('PASSWORD = "hunter2!x"', True),
        ('PASSWORD = "password"', False),
        ('TOKEN_TYPE = "bearer"', False),
        ('password = "{password}1"', False),
    ],
)
def test_only_what_looks_like_a_secret_is_one(repo: Repo, line: str, found: bool) -> None:
    repo.commit({"a.txt": ""})
    repo.commit({"app.py": line + "\n"})
    assert rules(repo) == ([("S105", 1)] if found else [])


@pytest.mark.parametrize(("line", "found"), [("token = random.random()", True), ("wait = random.random()", False)])
def test_random_numbers_matter_only_for_secrets(repo: Repo, line: str, found: bool) -> None:
    repo.commit({"a.txt": ""})
    repo.commit({"app.py": f"import random\n\n{line}\n"})
    assert rules(repo) == ([("S311", 3)] if found else [])
