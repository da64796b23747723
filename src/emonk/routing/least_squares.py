"""Ridge regression on sparse rows, by conjugate gradients, in plain Python.

Rows and columns of the matrix are both kept, so that either product is a gather and a sum, which Python does in C.
"""

from collections.abc import Callable, Sequence
from operator import itemgetter, mul
from typing import Any

Vector = list[float]
Row = tuple[Sequence[int], Sequence[float]]
"""Where a row has something, and what."""


class Sparse:
    """A matrix that can be multiplied from both sides."""

    def __init__(self, rows: Sequence[Row], width: int) -> None:
        columns: list[tuple[list[int], list[float]]] = [([], []) for _ in range(width)]
        for place, (places, values) in enumerate(rows):
            for column, value in zip(places, values, strict=True):
                columns[column][0].append(place)
                columns[column][1].append(value)
        self._rows = [_gather(places, values) for places, values in rows]
        self._columns = [_gather(places, values) for places, values in columns]

    def times(self, vector: Vector) -> Vector:
        """One number for each row."""
        return [product(vector) for product in self._rows]

    def transposed_times(self, vector: Vector) -> Vector:
        """One number for each column."""
        return [product(vector) for product in self._columns]


class Product:
    """The matrix of two after another: documents by words, words by pieces."""

    def __init__(self, outer: Sparse, inner: Sparse) -> None:
        self._outer = outer
        self._inner = inner

    def times(self, vector: Vector) -> Vector:
        return self._outer.times(self._inner.times(vector))

    def transposed_times(self, vector: Vector) -> Vector:
        return self._inner.transposed_times(self._outer.transposed_times(vector))


def solve_ridge(
    blocks: Sequence[tuple[Sparse | Product, int]],
    target: Vector,
    penalty: float,
    *,
    steps: int = 40,
    close: float = 3e-3,
    told: Callable[[float], object] = bool,
) -> list[Vector]:
    """The weights of each block that minimise the squared error plus `penalty` times their squares.

    Args:
        blocks: matrices side by side, each with its number of columns.
        target: one number for each row, of mean 0.
        penalty: above 0.
        steps: at most this many.
        close: ends when the gradient is this share of what it was.
        told: hears the part that is done, at most.
    """
    weights = [[0.0] * width for _, width in blocks]
    gradient = [matrix.transposed_times(target) for matrix, _ in blocks]
    direction = gradient
    size = first = _square(gradient)
    for number in range(steps):
        told(number / steps)
        if size <= close * close * first:
            break
        seen = _summed([matrix.times(part) for (matrix, _), part in zip(blocks, direction, strict=True)])
        length = size / (_square([seen]) + penalty * _square(direction))
        weights = _moved(weights, direction, length)
        pulled = _moved([matrix.transposed_times(seen) for matrix, _ in blocks], direction, penalty)
        gradient = _moved(gradient, pulled, -length)
        before, size = size, _square(gradient)
        direction = _moved(gradient, direction, size / before)
    return weights


def _summed(vectors: list[Vector]) -> Vector:
    return list(map(sum, zip(*vectors, strict=True)))


def _gather(places: Sequence[int], values: Sequence[float]) -> Callable[[Vector], float]:
    if not places:
        return lambda _: 0.0
    if len(places) == 1:
        place, value = places[0], values[0]
        return lambda vector: vector[place] * value
    take: Any = itemgetter(*places)
    kept = tuple(values)
    return lambda vector: sum(map(mul, take(vector), kept))


def _moved(start: list[Vector], along: list[Vector], length: float) -> list[Vector]:
    return [[s + length * a for s, a in zip(one, other, strict=True)] for one, other in zip(start, along, strict=True)]


def _square(vectors: list[Vector]) -> float:
    return sum(sum(map(mul, vector, vector)) for vector in vectors)
