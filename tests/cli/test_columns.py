"""Two texts next to each other stay in their columns."""

from hypothesis import given
from hypothesis import strategies as st

from emonk.cli.columns import cells, clipped, side_by_side


def test_lines_break_between_words_and_within_long_ones() -> None:
    assert list(side_by_side("one two three", "abcdefghijkl\n\nx", 19)) == [
        "one two  \u2502 abcdefgh",
        "three    \u2502 ijkl",
        "         \u2502",
        "         \u2502 x",
    ]


def test_wide_letters_take_two_cells() -> None:
    assert list(side_by_side("日本語", "x", 11)) == ["日本 \u2502 x", "語   \u2502"]


def test_control_characters_are_shown() -> None:
    assert "\x1b" not in "".join(side_by_side("\x1b[2J", "\x1b]0;x\x07", 40))


@given(st.text(), st.text(), st.integers(8, 60))
def test_the_divider_stands_where_it_should_and_no_word_is_lost(left: str, right: str, width: int) -> None:
    lines = list(side_by_side(left, right, width))
    for line in lines:
        assert "\u2502" in line
    plain = "".join(letter for letter in left if letter.isascii() and letter.isalnum())
    shown = "".join(line.split("\u2502")[0] for line in lines)
    assert plain in "".join(letter for letter in shown if letter.isascii() and letter.isalnum()) or not left.isascii()


@given(st.text(st.characters(categories=("L", "N", "P"))), st.integers(3, 40))
def test_what_is_clipped_fits_and_begins_as_it_did(line: str, room: int) -> None:
    shown = clipped(line, room)
    assert cells(shown) <= room
    assert shown == line or line.startswith(shown.removesuffix("\u2026"))
