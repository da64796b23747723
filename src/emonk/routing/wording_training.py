"""Training of the model of words."""

import struct
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from math import log, sqrt

from emonk.routing.least_squares import Product, Row, Sparse, solve_ridge
from emonk.routing.wording import Table, Wording, counted, pieces_of, spell

LEAST_TERMS = 2
LEAST_PIECES = 3

_single = struct.Struct("<f")


def train_wording(
    prompts: Sequence[Sequence[str]],
    target: list[float],
    *,
    penalty: float,
    pieces: float,
    told: Callable[[float], object] = bool,
) -> Wording:
    """Fit the model; the same prompts and target in the same order give the same one.

    Args:
        prompts: the tokens of each.
        target: one number for each, of mean 0.
        penalty: of the ridge.
        pieces: how much pieces count beside words and pairs.
        told: hears the part that is done.
    """
    documents = [counted(tokens) for tokens in prompts]
    frequencies = _frequencies(documents)
    places = {term: place for place, term in enumerate(frequencies)}
    terms = Sparse([_row(counts, frequencies, places) for counts in documents], len(places))
    spelling = _Spelling(prompts)
    spelled = Sparse([spelling.row(tokens, pieces) for tokens in prompts], spelling.words)
    blocks = [(terms, len(places)), (Product(spelled, spelling.matrix), len(spelling.frequencies))]
    weights, learned = solve_ridge(blocks, target, penalty, told=told)
    table = _table(spelling.frequencies, [weight * pieces for weight in learned])
    known = {word: spell(word, table) for word in spelling.places}
    return Wording(
        terms=_table(frequencies, weights),
        words={word: (rounded(said), rounded(square)) for word, (said, square) in known.items()},
        pieces=table,
    )


def rounded(value: float) -> float:
    """To single precision, as a file keeps it."""
    return _single.unpack(_single.pack(value))[0]


def _table(frequencies: dict[str, float], weights: Iterable[float]) -> Table:
    pairs = zip(frequencies.items(), weights, strict=True)
    return {name: (rounded(frequency), rounded(weight)) for (name, frequency), weight in pairs}


def _frequencies(documents: Sequence[Iterable[str]]) -> dict[str, float]:
    """Inverse document frequencies of what is in more than one document, by name."""
    seen = Counter(chain.from_iterable(documents))
    return {term: _inverse(count, len(documents)) for term, count in sorted(seen.items()) if count >= LEAST_TERMS}


def _inverse(count: int, documents: int) -> float:
    return log((1 + documents) / (1 + min(count, documents))) + 1


def _row(counts: Counter[str], frequencies: dict[str, float], places: dict[str, int]) -> Row:
    found = [(places[term], frequencies[term] * (1 + log(count))) for term, count in counts.items() if term in places]
    size = sqrt(sum(value * value for _, value in found)) or 1.0
    return [place for place, _ in found], [value / size for _, value in found]


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
