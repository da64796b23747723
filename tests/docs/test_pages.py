"""Every block of the documentation does what its page says."""

from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.docs.blocks import blocks_of
from tests.docs.page import Page

PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")])


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(PROJECT).as_posix())
def test_page_does_what_it_says(path: Path, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = path.relative_to(project).as_posix()
    blocks = blocks_of(name, path.read_text(encoding="utf-8"))
    Page(project, tmp_path, monkeypatch).run(blocks)


def test_the_readme_is_checked() -> None:
    assert PROJECT / "README.md" in PAGES
