"""A review as text, Markdown and JSON, and that nothing of a branch breaks out of them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from emonk.agents.jr_engineer.review.engine import CHECKS, review
from emonk.agents.jr_engineer.review.findings import Review
from emonk.agents.jr_engineer.review.report import as_json, as_markdown, as_text
from emonk.agents.jr_engineer.review.visible import code_block, code_span, prose, visible, visible_json
from tests.agents.jr_engineer.repositories import Repo

EVIL = b"\x1b]0;owned\x07\n# Approved\n<script>`[x](javascript:1)\xe2\x80\xae\xff.py"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Review:
    """A review of files whose names and lines try everything."""
    path: Path = tmp_path_factory.mktemp("hostile") / "repo"
    repo = Repo(path)
    base = repo.commit_tree({b"a.txt": b"1\n"})
    line = b"eval('\x1b[2J')  # ``` \xe2\x80\xae </pre> ~~~ \x9b31m\n"
    head = repo.commit_tree({EVIL: b"# coding: latin-1\n" + line, b"a.txt": b"1\n"}, base)
    return review(path, base=base, head=head)


def test_json_has_the_shape_of_the_contract(hostile: Review) -> None:
    found = json.loads(as_json(hostile))
    assert set(found) == {"findings", "ledger", "summary"}
    keys = {"id", "file", "line", "end_line", "rule", "tool", "severity", "title", "detail", "evidence"}
    assert found["findings"]
    assert all(set(finding) == keys for finding in found["findings"])
    assert all(set(row) == {"file", "check", "status", "reason"} for row in found["ledger"])
    assert len(found["ledger"]) == len(CHECKS)


def test_json_of_no_change_is_whole(repo: Repo) -> None:
    repo.commit({"a.txt": "1\n"})
    repo.commit()
    found = json.loads(as_json(review(repo.path)))
    assert (found["findings"], found["ledger"], found["summary"]["complete"]) == ([], [], True)


def test_json_shows_hidden_characters_as_escapes_only(hostile: Review) -> None:
    shown = as_json(hostile)
    assert not [char for char in shown if not char.isprintable() and char != "\n"]
    assert "\\u202e" in shown
    assert "\u202e" in json.loads(shown)["findings"][0]["file"]


@given(st.text())
def test_visible_json_means_the_same(text: str) -> None:
    shown = visible_json(json.dumps(text, ensure_ascii=False))
    assert json.loads(shown) == text
    assert not [char for char in shown if not char.isprintable() and not char.isspace()]


@pytest.mark.parametrize("render", [as_text, as_markdown])
def test_no_control_or_direction_character_survives(hostile: Review, render: Callable[[Review], str]) -> None:
    shown = render(hostile)
    assert not [char for char in shown if not char.isprintable() and char not in "\n\t"]
    assert "\\x1b" in shown


def test_markdown_stays_what_it_is(hostile: Review) -> None:
    tokens = MarkdownIt("commonmark").parse(as_markdown(hostile))
    headings = [tokens[index + 1].content for index, token in enumerate(tokens) if token.type == "heading_open"]
    assert len(headings) == len(hostile.findings)
    assert not [token for token in tokens if token.type == "html_block"]
    inline = [child.type for token in tokens for child in token.children or []]
    assert not {"html_inline", "link_open", "image"} & set(inline)


def test_text_fits_its_width_and_is_coloured_only_when_asked(repo: Repo) -> None:
    repo.commit({"a.txt": ""})
    repo.commit({"a.py": "import os\n"})
    finished = review(repo.path)
    plain = as_text(finished, width=60)
    assert "\x1b" not in plain
    assert max(len(line) for line in plain.split("\n")) <= 60
    assert "\x1b[" in as_text(finished, colour=True)
    assert plain.startswith("Review of ")
    assert "1 finding: 1 low" in plain


@pytest.mark.parametrize("render", [as_text, as_markdown])
def test_an_incomplete_review_says_so_and_what_is_missing(repo: Repo, render: Callable[[Review], str]) -> None:
    repo.commit({"a.txt": ""})
    repo.commit({"big.py": "x = 1\n" * 200_000, "b.py": "import os\n"})
    shown = render(review(repo.path))
    assert "incomplete" in shown.lower()
    assert "larger than 1 MiB" in shown
    assert "ruff: looked at 1 of 2 files" in shown


@pytest.mark.parametrize("render", [as_text, as_markdown])
@pytest.mark.parametrize(
    ("path", "content", "told"),
    [
        ("logo.png", b"\0", "Nothing here that could be checked."),
        ("notes.txt", b"1\n", "Nothing here that could be checked but for secrets, of which there are none."),
        ("a.py", b"x = 1\n", "No findings."),
    ],
)
def test_nothing_found_is_said_only_of_what_was_looked_at(
    repo: Repo, render: Callable[[Review], str], path: str, content: bytes, told: str
) -> None:
    repo.commit({"a.txt": ""})
    repo.commit({path: content})
    finished = review(repo.path)
    assert told in render(finished)
    assert ("No findings" in render(finished)) == (told == "No findings.")
    assert finished.summary.message == ("0 findings" if path == "a.py" else told[0].lower() + told[1:-1])


@given(st.text())
def test_a_code_block_holds_everything(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse(code_block(text) + "\n\nafter")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]


@given(st.text(min_size=1))
def test_a_code_span_holds_everything(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse("x " + code_span(text) + " y")
    children = [child.type for token in tokens for child in token.children or []]
    assert children == ["text", "code_inline", "text"]


@given(st.text(st.sampled_from("ab`*_[]()<>!#~|@&\\\n:/ 1.-+="), max_size=30))
def test_prose_is_never_markup_but_for_code(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse(prose(text))
    assert {token.type for token in tokens} <= {"paragraph_open", "inline", "paragraph_close", "code_block"}
    children = {child.type for token in tokens for child in token.children or []}
    assert children <= {"text", "code_inline", "text_special"}


@given(st.text())
def test_visible_text_is_printable(text: str) -> None:
    assert all(char.isprintable() or char in "\n\t" or char.isspace() for char in visible(text))
