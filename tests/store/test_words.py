"""Words of any text, the same with any case, accents and form."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk.store.words import LONGEST_WORD, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop, O'Neil", ["don", "t", "stop", "o", "neil"]),
        ("ÀÉÎ straße", ["aei", "strasse"]),
        ("ﬁne ²Å", ["fine", "2a"]),
        ("snake_case a-b 3.14", ["snake", "case", "a", "b", "3", "14"]),
        ("日本語 text", ["日", "本", "語", "text"]),
        ("ガ", ["か\u3099".replace("か", "カ")]),
        ("ที่นี่", ["ที", "นี"]),
        ("हिन्दी", ["हिन्दी"]),
        ("한국어 말", [unicodedata.normalize("NFKD", "한국어"), unicodedata.normalize("NFKD", "말")]),
        ("\u0301 ! \ud800 \0", []),
        ("tea Tea TEA", ["tea"]),
    ],
)
def test_words_of_many_scripts(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_a_long_word_is_a_digest_that_a_longer_one_does_not_share() -> None:
    long, longer = words("x" * (LONGEST_WORD + 1)), words("x" * (LONGEST_WORD + 2))
    assert long != longer
    assert all(len(word) == 32 for word in long + longer)
    assert words("x" * LONGEST_WORD) == ["x" * LONGEST_WORD]


@given(st.text())
def test_case_and_form_make_no_difference(text: str) -> None:
    expected = words(text)
    assert words(unicodedata.normalize("NFD", text)) == expected
    assert words(unicodedata.normalize("NFC", text)) == expected
    assert words(text.casefold()) == expected


@given(st.text())
def test_words_hold_nothing_that_an_index_could_part_or_take_for_a_sign(text: str) -> None:
    for word in words(text):
        assert word
        assert len(word) <= LONGEST_WORD
        assert all(unicodedata.category(char)[0] in "LNM" for char in word)
        assert word.isascii() is False or word.isalnum()


@given(st.text(alphabet=st.characters(codec="ascii")))
def test_the_short_way_for_ascii_is_no_other(text: str) -> None:
    assert words(text) == [word for word in words(text + " é") if word != "e" or "e" in words(text)]
