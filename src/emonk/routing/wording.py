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
CAPPED = 40
"""Characters of a word of which pieces are made; what is longer is no word."""

USUAL, LEAST = 64, 16
"""Tokens of a prompt that is brought to length 1, and from which on shorter ones are brought to no larger length."""

Table = dict[str, tuple[float, float]]


class Wording(msgspec.Struct, frozen=True):
    """The trained model.

    Attributes:
        terms: words and pairs, each with its inverse document frequency and its learned weight.
        words: known ones, each with what its pieces say of it, and the square of their length.
        pieces: each with its inverse document frequency and its learned weight.
    """

    terms: Table
    words: Table
    pieces: Table

    def score(self, tokens: Sequence[str]) -> float:
        """The sum of what its words add or take."""
        known = self.terms.get
        said = size = 0.0
        for term, count in counted(tokens).items():
            found = known(term)
            if found is not None:
                value = found[0] if count == 1 else found[0] * (1 + log(count))
                said += value * found[1]
                size += value * value
        spelled = self._spelled(tokens)
        length = sum([square for _, square in spelled])
        spelled_out = sum([value for value, _ in spelled])
        return length_of(tokens) * (said / sqrt(size or 1.0) + spelled_out / sqrt(length or 1.0))

    def parts(self, tokens: Sequence[str]) -> dict[str, float]:
        """What each word and pair adds to the score."""
        found = [(t, self.terms[t], 1 + log(n)) for t, n in counted(tokens).items() if t in self.terms]
        size = sqrt(sum((idf * count) ** 2 for _, (idf, _), count in found)) or 1.0
        whole = length_of(tokens)
        parts = {term: whole * idf * count * weight / size for term, (idf, weight), count in found}
        spelled = self._spelled(tokens)
        length = sqrt(sum(square for _, square in spelled)) or 1.0
        for word, (value, _) in zip(dict.fromkeys(tokens), spelled, strict=True):
            parts[word] = parts.get(word, 0.0) + whole * value / length
        return parts

    def _spelled(self, tokens: Sequence[str]) -> list[tuple[float, float]]:
        known = self.words
        return [known[word] if word in known else spell(word, self.pieces) for word in dict.fromkeys(tokens)]


def length_of(tokens: Sequence[str]) -> float:
    """To which length the weights of a prompt are brought: of twice as many words each says half as much."""
    return sqrt(USUAL / max(len(tokens), LEAST))


def counted(tokens: Sequence[str]) -> Counter[str]:
    """How often each word and each pair of words that stand together occurs."""
    counts = Counter(tokens)
    counts.update(map(" ".join, pairwise(tokens)))
    return counts


def spell(word: str, pieces: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
    """What the pieces of a word say, and the square of their length."""
    known = [pieces[piece] for piece in pieces_of(word) if piece in pieces]
    return sum(idf * weight for idf, weight in known), sum(idf * idf for idf, _ in known)


def pieces_of(word: str) -> list[str]:
    """Each once, in order."""
    edged = f" {word[:CAPPED]} "
    size = len(edged)
    return list(dict.fromkeys(edged[i : i + n] for n in range(SHORTEST, LONGEST + 1) for i in range(size - n + 1)))
