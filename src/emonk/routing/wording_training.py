"""Training of the model of words."""

import struct
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from math import log, sqrt

import msgspec

from emonk.routing.least_squares import Product, Row, Sparse, solve_ridge
from emonk.routing.wording import Table, Wording, counted, length_of, pieces_of, spell

LEAST_TERMS = 2
LEAST_PIECES = 3
PARTS = 3
"""In so many the prompts are divided to see what words say of prompts that were not learnt from."""

_singles = struct.Struct("<2f")


class Lesson(msgspec.Struct, frozen=True):
    """What was learnt.

    Attributes:
        wording: from all prompts.
        unseen: what the words of each prompt say where the prompt itself is not learnt from.
    """

    wording: Wording
    unseen: list[float]


def train_wording(
    prompts: Sequence[Sequence[str]],
    target: list[float],
    *,
    penalty: float,
    pieces: float,
    told: Callable[[float], object] = bool,
) -> Lesson:
    """Fit the model; the same prompts and target in the same order give the same one.

    Args:
        prompts: the tokens of each.
        target: one number for each, of mean 0.
        penalty: of the ridge.
        pieces: how much pieces count beside words and pairs.
        told: hears the part that is done.
    """
    fitting = _Fitting(prompts, pieces)
    weights = fitting.solve(range(len(prompts)), target, penalty, told=lambda part: told(part / 2))
    unseen = [0.0] * len(prompts)
    for part in range(PARTS):
        kept = [place for place in range(len(prompts)) if place % PARTS != part]
        begun = (part + PARTS) / (2 * PARTS)
        without = fitting.solve(kept, target, penalty, told=lambda done, begun=begun: told(begun + done / (2 * PARTS)))
        places = range(part, len(prompts), PARTS)
        for place, said in zip(places, fitting.said(places, without), strict=True):
            unseen[place] = said
    return Lesson(fitting.wording(weights), unseen)


def rounded(value: complex) -> complex:
    """To single precision, as a file keeps it."""
    return complex(*_singles.unpack(_singles.pack(value.real, value.imag)))


class _Fitting:
    """Prompts as rows of a matrix."""

    def __init__(self, prompts: Sequence[Sequence[str]], pieces: float) -> None:
        documents = [counted(tokens) for tokens in prompts]
        self._pieces = pieces
        self._frequencies = _frequencies(documents)
        self._spelling = _Spelling(prompts)
        places = {term: place for place, term in enumerate(self._frequencies)}
        lengths = [length_of(tokens) for tokens in prompts]
        self._terms = [
            _row(counts, self._frequencies, places, length) for counts, length in zip(documents, lengths, strict=True)
        ]
        self._spelled = [
            self._spelling.row(tokens, pieces * length) for tokens, length in zip(prompts, lengths, strict=True)
        ]

    def solve(
        self, rows: Sequence[int], target: Sequence[float], penalty: float, *, told: Callable[[float], object]
    ) -> list[list[float]]:
        """The weights of terms and of pieces that some rows give."""
        mean = sum([target[row] for row in rows]) / len(rows) if rows else 0.0
        return solve_ridge(self._blocks(rows), [target[row] - mean for row in rows], penalty, told=told)

    def said(self, rows: Sequence[int], weights: Sequence[list[float]]) -> list[float]:
        """What weights say of some rows."""
        said = [matrix.times(part) for (matrix, _), part in zip(self._blocks(rows), weights, strict=True)]
        return list(map(sum, zip(*said, strict=True)))

    def wording(self, weights: Sequence[list[float]]) -> Wording:
        """The model that has these weights."""
        terms, pieces = weights
        table = _table(self._spelling.frequencies, [weight * self._pieces for weight in pieces])
        known = {word: spell(word, table) for word in self._spelling.places}
        return Wording(
            terms=_table(self._frequencies, terms),
            words={word: rounded(said) for word, said in known.items()},
            pieces=table,
        )

    def _blocks(self, rows: Sequence[int]) -> list[tuple[Sparse | Product, int]]:
        spelling, width = self._spelling, len(self._frequencies)
        terms = Sparse([self._terms[row] for row in rows], width)
        spelled = Product(Sparse([self._spelled[row] for row in rows], spelling.words), spelling.matrix)
        return [(terms, width), (spelled, len(spelling.frequencies))]


def _table(frequencies: dict[str, float], weights: Iterable[float]) -> Table:
    pairs = zip(frequencies.items(), weights, strict=True)
    return {name: rounded(complex(frequency * weight, frequency * frequency)) for (name, frequency), weight in pairs}


def _frequencies(documents: Sequence[Iterable[str]]) -> dict[str, float]:
    """Inverse document frequencies of what is in more than one document, by name."""
    seen = Counter(chain.from_iterable(documents))
    return {term: _inverse(count, len(documents)) for term, count in sorted(seen.items()) if count >= LEAST_TERMS}


def _inverse(count: int, documents: int) -> float:
    return log((1 + documents) / (1 + min(count, documents))) + 1


def _row(counts: Counter[str], frequencies: dict[str, float], places: dict[str, int], length: float) -> Row:
    found = [(places[term], frequencies[term] * (1 + log(count))) for term, count in counts.items() if term in places]
    size = sqrt(sum(value * value for _, value in found)) or 1.0
    return [place for place, _ in found], [value * length / size for _, value in found]


class _Spelling:
    """All words by their pieces."""

    def __init__(self, prompts: Sequence[Sequence[str]]) -> None:
        seen = Counter(chain.from_iterable(map(dict.fromkeys, prompts)))
        parts = {word: pieces_of(word) for word in sorted(seen)}
        counts = Counter[str]()
        for word, pieces in parts.items():
            for piece in pieces:
                counts[piece] += seen[word]
        often = {piece: count for piece, count in sorted(counts.items()) if count >= LEAST_PIECES}
        self.frequencies = {piece: _inverse(count, len(prompts)) for piece, count in often.items()}
        self.places = {word: place for place, word in enumerate(parts)}
        self.words = len(parts)
        columns = {piece: place for place, piece in enumerate(often)}
        rows: list[Row] = []
        for pieces in parts.values():
            known = [piece for piece in pieces if piece in columns]
            rows.append(([columns[piece] for piece in known], [self.frequencies[piece] for piece in known]))
        self.matrix = Sparse(rows, len(columns))
        self._squares = [sum(value * value for value in values) for _, values in rows]

    def row(self, tokens: Sequence[str], weight: float) -> Row:
        places = [self.places[word] for word in dict.fromkeys(tokens)]
        size = sqrt(sum(self._squares[place] for place in places)) or 1.0
        return places, [weight / size] * len(places)
