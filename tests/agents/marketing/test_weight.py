"""Facts of the conformance suite of twitter-text 3.1 (https://github.com/twitter/twitter-text, Apache-2.0).

`WEIGHTS` are cases of validate.yml, under the version 3 configuration, written shorter where they only repeat a piece.
"""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonk.agents.marketing.weight import MAX_CHARACTERS, weighted_length

ZWJ = "\u200d"
FAMILY = ZWJ.join("👨👩👧👦")
ENGLAND = "🏴" + "".join(chr(0xE0000 + ord(letter)) for letter in "gbeng") + "\U000e007f"
KANA = "あいうえおかきくけこ"
TENS = "xxxxxxxxxx-"

PUNCTUATION = (
    "This is a tweet with general punctuation characters: "
    + "".join(map(chr, range(0x2000, 0x200E)))
    + "".join(f" {chr(code)}" for code in (*range(0x2010, 0x2020), *range(0x2032, 0x2038)))
    + " "
)

WEIGHTS = [
    ("Hi http://test.co", 26),
    ("http://test.co", 23),
    ("285 chars-" + TENS * 25, 285),
    ("285 chars- http://www.twitter.com/jack " + TENS * 24, 299),
    (TENS * 24 + " http://www.twitter.com/jack ", 289),
    ("https://www.twitter.com/aloha " * 10, 240),
    ("故人西辞黄鹤楼烟花三月下扬州孤帆" * 10, 320),
    ("the" + "故人西辞黄鹤楼烟花三月下扬州孤帆" * 10, 323),
    ("😷" * 160, 320),
    ("A\u0301B", 2),
    ("A\ufb2c", 4),
    ("282 chars-" + TENS * 24 + "xxxxxA\u0301x", 281),
    (f"H🐱☺{FAMILY}", 7),
    ("😷👾😡🔥💩", 10),
    (f"🙋🏽👨{ZWJ}🎤", 4),
    (FAMILY * 140, 280),
    ("1\u20e3", 2),
    (f"Unicode 10.0 emoji: 🤪; 🧕; 🧕🏾; {ENGLAND}", 34),
    ("Unicode 9.0 emoji: 🤠; 💃; 💃🏾", 29),
    (PUNCTUATION, 112),
    ("randomurl" * 7 + "s.com", 68),
    (f"{KANA * 12} http://{KANA * 5}あいう.com", 358),
    (f"{KANA * 12} http://{KANA * 5}あい.com", 264),
    ("ABC\u202a\uffffABC\ufffe", 12),
    ("\u2066\u202ahttp://foobar.پاکستان/\u202c\u2069", 31),
]


@pytest.mark.parametrize(("text", "length"), WEIGHTS)
def test_official_cases(text: str, length: int) -> None:
    assert weighted_length(text) == length


@pytest.mark.parametrize(
    ("emoji", "length"),
    [
        ("©", 1),
        ("©\ufe0f", 2),
        ("☺\ufe0f", 2),
        ("☺\ufe0e", 4),  # asked for as text: two characters of 2 each
        ("1\ufe0f\u20e3", 2),
        ("#\ufe0f\u20e3", 2),
        ("🇩🇪", 2),
        ("🇩🇪🇫🇷", 4),
        ("🇩", 2),
        ("🇿🇿", 4),  # no flag
        ("👋🏿", 2),
        (f"🏳\ufe0f{ZWJ}🌈", 2),
        (f"❤\ufe0f{ZWJ}🔥", 2),
        (f"👩🏽{ZWJ}❤\ufe0f{ZWJ}💋{ZWJ}👨🏿", 2),
        (f"🧑🏻{ZWJ}🦼{ZWJ}➡\ufe0f", 2),
        (f"🕵🏼{ZWJ}♀\ufe0f", 2),
        (f"👩{ZWJ}🍕", 5),  # joined by nobody
        (ENGLAND, 2),
        ("🏴" + "\U000e0061" * 3, 8),
    ],
)
def test_an_emoji_weighs_two_however_many_characters_it_has(emoji: str, length: int) -> None:
    assert weighted_length(emoji) == length


def test_a_windows_line_break_counts_as_one() -> None:
    assert weighted_length("a\r\nb") == weighted_length("a\nb") == 3


def test_beyond_the_longest_post_links_count_in_full() -> None:
    link = "https://example.com/" + "a" * 30
    assert weighted_length(link + " " * (MAX_CHARACTERS - len(link))) == 23 + MAX_CHARACTERS - len(link)
    assert weighted_length(link + " " * MAX_CHARACTERS) == len(link) + MAX_CHARACTERS


PIECES = st.sampled_from(
    ["a", "é", "日", "。", ".", "..", "/", "-", "_", "@", "#", "$", ":", "com", "co.jp", "t.co", "http://", "https://",
     "?q=", "(", ")", " ", "\n", "😷", FAMILY, "🇩🇪", "1\ufe0f\u20e3", "xn--", "みんな", "\u202a", "\ufeff", "A\u0301",
     "\ud800"]
)  # fmt: skip
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join))


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_lengths_add_up_over_a_line_break(first: str, second: str) -> None:
    # Not by the second alone: a link may begin otherwise where nothing stands before it, as X's own rule has it.
    assert weighted_length(f"{first} \n {second}") == weighted_length(first) + weighted_length(f" \n {second}")


@settings(deadline=None)
@given(TEXTS)
def test_the_form_of_a_text_does_not_change_its_length(text: str) -> None:
    assert weighted_length(unicodedata.normalize("NFD", text)) == weighted_length(text)


@settings(deadline=None)
@given(TEXTS)
def test_no_text_weighs_more_than_two_for_a_character_and_a_link(text: str) -> None:
    composed = unicodedata.normalize("NFC", text)
    assert 0 <= weighted_length(text) <= 2 * len(composed) + 23 * composed.count(".")
