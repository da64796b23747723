"""The words of a text, by which memories are found: the same for every backend.

Case and accents are taken off. Scripts that put no spaces between words give each of their characters as a word.
"""

import hashlib
import unicodedata
from collections.abc import Iterator

LONGEST_WORD = 64
"""Characters; a longer word is kept as a digest, since no index takes words of any length."""

# Combining classes of marks that are no accents: vowel signs, the voicing of kana, and viramas.
_PART_OF_LETTER = {0, 8, 9}
_WITHOUT_SPACES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # ideographic iteration mark, closing mark and zero
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),  # Katakana extensions
    (0x3400, 0x4DBF),  # Chinese characters
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


def words(*texts: str) -> list[str]:
    """The different words of the texts, in the order in which they come first."""
    return list(dict.fromkeys(word for text in texts for word in _words(text)))


def _words(text: str) -> Iterator[str]:
    if text.isascii():
        yield from map(_short, "".join(char if char.isalnum() else " " for char in text.lower()).split())
        return
    word = ""
    for char in _plain(text):
        kind = unicodedata.category(char)[0]
        if kind == "M" and word:
            word += char
        elif kind not in "LN":
            yield from _finished(word)
            word = ""
        elif _stands_alone(char) or (word and _stands_alone(word[0])):
            yield from _finished(word)
            word = char
        else:
            word += char
    yield from _finished(word)


def _plain(text: str) -> str:
    """Without case and accents; folding may compose and decomposing may give capitals, so both are done twice."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).casefold()
    return "".join(char for char in folded if unicodedata.combining(char) in _PART_OF_LETTER)


def _finished(word: str) -> Iterator[str]:
    if word:
        yield _short(word)


def _short(word: str) -> str:
    if len(word) <= LONGEST_WORD:
        return word
    return hashlib.blake2b(word.encode(), digest_size=16).hexdigest()


def _stands_alone(char: str) -> bool:
    code = ord(char)
    return any(first <= code <= last for first, last in _WITHOUT_SPACES)
