"""Describing a code base."""

from pathlib import Path

import pytest

from emonk.agents.jr_engineer.survey import listing
from emonk.agents.jr_engineer.survey.languages import language_of
from emonk.agents.jr_engineer.survey.report import as_markdown
from emonk.agents.jr_engineer.survey.survey import survey
from emonk.errors import InvalidConfig
from tests.agents.jr_engineer.repositories import Repo


def test_a_repository_counts_what_git_tracks(repo: Repo) -> None:
    repo.commit({"a.py": "x = 1\ny = 2", "b.js": "1\n", "logo.png": b"\0\1", "empty.txt": ""})
    repo.write({"untracked.py": "z = 1\n"})
    found = survey(repo.path)
    assert (found.files, found.lines, found.binary, found.tracked) == (4, 3, 1, True)
    assert [(item.language, item.files, item.lines) for item in found.languages] == [
        ("Python", 1, 2),
        ("JavaScript", 1, 1),
        ("Text", 1, 0),
    ]
    assert [(item.path, item.lines) for item in found.largest] == [("a.py", 2), ("b.js", 1), ("empty.txt", 0)]


def test_elsewhere_hidden_and_installed_files_are_left_out(tmp_path: Path) -> None:
    for name in ("a.py", ".hidden/b.py", "node_modules/c.js", "sub/venv/d.py", "sub/e.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x\n")
    found = survey(tmp_path)
    assert ([item.path for item in found.largest], found.tracked) == (["a.py", "sub/e.py"], False)


def test_links_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "secret.py").write_text("x\n")
    (tmp_path / "code" / "link.py").symlink_to(tmp_path / "secret.py")
    (tmp_path / "code" / "loop").symlink_to(tmp_path / "code")
    assert survey(tmp_path / "code").files == 0


def test_a_folder_that_became_a_link_leads_nowhere(repo: Repo, tmp_path: Path) -> None:
    repo.commit({"d/pyproject.toml": "x = 1\n", "a.py": "x = 1\n"})
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "pyproject.toml").write_text('[project.scripts]\nsecret = "very.secret:main"\n')
    repo.write({"d/pyproject.toml": None})
    (repo.path / "d").rmdir()
    (repo.path / "d").symlink_to(tmp_path / "elsewhere")
    found = survey(repo.path)
    assert ([item.path for item in found.largest], found.entry_points) == (["a.py"], [])


def test_too_many_files_are_cut_and_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST_FILES", 3)
    for number in range(5):
        (tmp_path / f"{number}.py").write_text("x\n")
    found = survey(tmp_path)
    assert (found.files, found.cut) == (3, True)
    assert "Incomplete" in as_markdown(found)


def test_a_hostile_repository_runs_nothing(repo: Repo, tmp_path: Path) -> None:
    repo.commit({"a.py": "x = 1\n"})
    script = tmp_path / "attack.sh"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/canary\n")
    script.chmod(0o755)
    repo.git("config", "core.fsmonitor", str(script))
    assert survey(repo.path).files == 1
    assert not (tmp_path / "canary").exists()


def test_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="not a directory"):
        survey(tmp_path / "nowhere")


def test_entry_points_are_what_the_files_declare(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": '[project.scripts]\ntool = "tool.cli:main"\n[tool.poetry.scripts]\nold = "tool:old"\n',
        "src/tool/__main__.py": "",
        "run.py": 'if __name__ == "__main__":\n    pass\n',
        "tests/test_a.py": 'if __name__ == "__main__":\n    pass\n',
        "Dockerfile": 'FROM x\nENTRYPOINT ["tool"]\nCMD ["serve"]\n',
        "package.json": '{"main": "index.js", "bin": {"web": "web.js"}, "scripts": {"start": "node ."}}',
        "Makefile": "X := 1\n.PHONY: all\nall: test\n",
        "sub/package.json": "[1",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert set(survey(tmp_path).entry_points) == {
        "pyproject.toml: script tool = tool.cli:main",
        "pyproject.toml: script old = tool:old",
        "src/tool/__main__.py: python -m tool",
        "run.py: runs as a script",
        'Dockerfile: ENTRYPOINT ["tool"]',
        'Dockerfile: CMD ["serve"]',
        "package.json: main index.js",
        "package.json: bin web = web.js",
        "package.json: start node .",
        "Makefile: make all",
        "sub/package.json: not valid JSON",
    }


@pytest.mark.parametrize(
    ("path", "start", "language"),
    [
        ("a.py", b"", "Python"),
        ("bin/tool", b"#!/usr/bin/env python3\n", "Python"),
        ("bin/tool", b"#!/usr/bin/env -S node --x\n", "JavaScript"),
        ("bin/tool", b"#!/bin/bash -e\n", "Shell"),
        ("Dockerfile.dev", b"", "Dockerfile"),
        ("Makefile", b"", "Makefile"),
        ("notes", b"hello", "other"),
        ("A.RS", b"", "Rust"),
    ],
)
def test_languages_are_told_by_name_or_first_line(path: str, start: bytes, language: str) -> None:
    assert language_of(path, start) == language
