"""Markdown on a terminal."""

import io
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk.cli.markdown import Flow, rendered

ANSWER = """\
## Review of **HEAD~3..HEAD**

1. **critical** in `app.py`: *eval* of input, see [the rule](https://docs.astral.sh/ruff/)
   - nested, with snake_case_names and 2 * 3 * 4
> said ~~by~~ somebody

```python
x = "**not bold**"
# not a heading
```

| file | line |
| :--- | ---: |
| `app.py` | 3 |
| a\\|b.py | **10** |

---
That | was all.
"""
SHOWN = """\
Review of HEAD~3..HEAD

1. critical in app.py: eval of input, see the rule (https://docs.astral.sh/ruff/)
   \u2022 nested, with snake_case_names and 2 * 3 * 4
\u2502 said by somebody

    x = "**not bold**"
    # not a heading

file    line
\u2500\u2500\u2500\u2500\u2500\u2500  \u2500\u2500\u2500\u2500
app.py  3
a|b.py  10

\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\
\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500\u2500
That | was all."""
STYLES = re.compile(r"\x1b\[\d+m")


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_marks_become_looks() -> None:
    shown = rendered(ANSWER, Screen())
    assert STYLES.sub("", shown) == SHOWN
    assert "\x1b[1mReview of HEAD~3..HEAD\x1b[22m" in shown
    assert "\x1b[1mcritical\x1b[22m in \x1b[36mapp.py\x1b[39m: \x1b[3meval\x1b[23m" in shown


def test_without_colours_the_marks_are_gone_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert rendered(ANSWER, Screen()) == SHOWN


def test_what_is_piped_stays_markdown() -> None:
    assert rendered(ANSWER, io.StringIO()) == ANSWER.rstrip("\n")


def test_what_a_model_says_cannot_style_the_terminal() -> None:
    assert rendered("**a**\x1b[31m", Screen()) == "\x1b[1ma\x1b[22m\u241b[31m"


def test_lines_break_between_words_and_hang_under_their_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "24")
    assert rendered("- one two three four five six", Screen()) == "\u2022 one two three four\n  five six"
    assert rendered("> one two three four five six", Screen()) == "\u2502 one two three four\n\u2502 five six"
    assert rendered("a/very/long/path/without/any/space.py here", Screen()).splitlines() == [
        "a/very/long/path/without/any/space.py",
        "here",
    ]
    table = "| name | about |\n|---|---|\n| x | one two three four five six |"
    assert STYLES.sub("", rendered(table, Screen())).splitlines()[2:] == [
        "x     one two three four",
        "      five six",
    ]


def test_wide_characters_count_twice() -> None:
    table = "| a | b |\n|---|---|\n| \u732b\u732b | x |\n| cats | y |"
    assert STYLES.sub("", rendered(table, Screen())).splitlines()[2:] == ["\u732b\u732b  x", "cats  y"]


@given(st.lists(st.integers(0, len(ANSWER)), max_size=8))
def test_pieces_show_the_same_as_the_whole(cuts: list[int]) -> None:
    flow, places = Flow(Screen()), [0, *sorted(cuts), len(ANSWER)]
    pieces = [ANSWER[start:end] for start, end in pairwise(places)]
    assert ("".join(map(flow.feed, pieces)) + flow.end()).rstrip("\n") == rendered(ANSWER, Screen())


@given(st.text(alphabet=" \n|-*_>#\\1.b\u732b", max_size=80))
def test_no_letter_is_lost(text: str) -> None:
    shown = STYLES.sub("", rendered(text, Screen()))
    for letter in "b\u732b1":
        assert shown.count(letter) == text.count(letter)
