"""How hard a prompt is by its words: a linear model over words, pairs of words and pieces of words.

Words and pairs are weighted as in TF-IDF with a logarithmic count, each prompt's to one length, which is the larger the
shorter the prompt is: in a long one, words that are not about what is asked add noise. Pieces (3 to 5 letters, with the
word's edges) let a word that was never seen be judged by those that look like it; what they say of a known word is one
number, so that a prompt is scored by looking up its words.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import log, sqrt

import msgspec

SHORTEST, LONGEST = 3, 5
KEPT = 10_000
"""Words that were never seen in training, of which it is kept what their pieces say: a task has its own words."""

CAPPED = 40
"""Characters of a word of which pieces are made; what is longer is no word."""

USUAL, LEAST = 64, 16
"""Tokens of a prompt that is brought to length 1, and from which on shorter ones are brought to no larger length."""

Table = dict[str, complex]
"""By name what it says where it occurs once, and as the imaginary part the square of its length: one number, which is
found, and added to others, in less time than two."""


class Wording(msgspec.Struct, frozen=True):
    """The trained model.

    Attributes:
        terms: words and pairs; the length of each is its inverse document frequency.
        words: known ones, by what their pieces say.
        pieces: of words; the length of each is its inverse document frequency.
    """

    terms: Table
    words: Table
    pieces: Table

    def score(self, tokens: Sequence[str], counts: Counter[str] | None = None, unknown: Table | None = None) -> float:
        """The sum of what its words add or take.

        Args:
            tokens: of the prompt.
            counts: what `counted` says of them, where that is there already.
            unknown: keeps what pieces say of words that were never seen, for the next prompt with them.
        """
        known = self.terms.get
        said = 0j
        for term, count in (counts or counted(tokens)).items():
            found = known(term)
            if found is not None:
                said += found if count == 1 else _repeated(found, count)
        spelled = sum(self._spelled(tokens, {} if unknown is None else unknown), 0j)
        return length_of(tokens) * (said.real / _size(said) + spelled.real / _size(spelled))

    def parts(self, tokens: Sequence[str]) -> dict[str, float]:
        """What each word and pair adds to the score."""
        found = {t: _repeated(self.terms[t], n) for t, n in counted(tokens).items() if t in self.terms}
        size, whole = _size(sum(found.values(), 0j)), length_of(tokens)
        parts = {term: whole * said.real / size for term, said in found.items()}
        spelled = self._spelled(tokens, {})
        size = _size(sum(spelled, 0j))
        for word, said in zip(dict.fromkeys(tokens), spelled, strict=True):
            parts[word] = parts.get(word, 0.0) + whole * said.real / size
        return parts

    def _spelled(self, tokens: Sequence[str], unknown: Table) -> list[complex]:
        known = self.words
        return [known[word] if word in known else self._by_pieces(word, unknown) for word in dict.fromkeys(tokens)]

    def _by_pieces(self, word: str, unknown: Table) -> complex:
        said = unknown.get(word)
        if said is None:
            said = spell(word, self.pieces)
            if len(unknown) < KEPT:
                unknown[word] = said
        return said


def length_of(tokens: Sequence[str]) -> float:
    """To which length the weights of a prompt are brought: of twice as many words each says half as much."""
    return sqrt(USUAL / max(len(tokens), LEAST))


def counted(tokens: Sequence[str]) -> Counter[str]:
    """How often each word and each pair of words that stand together occurs."""
    counts = Counter(tokens)
    counts.update(map(" ".join, pairwise(tokens)))
    return counts


def spell(word: str, pieces: Mapping[str, complex]) -> complex:
    """What the pieces of a word say."""
    return sum([pieces[piece] for piece in pieces_of(word) if piece in pieces], 0j)


def _repeated(said: complex, count: int) -> complex:
    times = 1 + log(count)
    return complex(said.real * times, said.imag * times * times)


def _size(said: complex) -> float:
    return sqrt(said.imag or 1.0)


def pieces_of(word: str) -> list[str]:
    """Each once, in order."""
    edged = f" {word[:CAPPED]} "
    size = len(edged)
    return list(dict.fromkeys(edged[i : i + n] for n in range(SHORTEST, LONGEST + 1) for i in range(size - n + 1)))
