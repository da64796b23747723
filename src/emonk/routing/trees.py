"""Boosted regression trees over a few dense features, in plain Python.

Values are put into at most `BINS` bins once, so that a split is found from sums for each bin (as LightGBM does, Ke et
al., 2017); trees grow best split first, each on a part of the rows and features, which is drawn from a fixed seed.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from random import Random

import msgspec

BINS = 32


class Shape(msgspec.Struct, frozen=True):
    """How trees are grown."""

    trees: int = 150
    leaves: int = 6
    rate: float = 0.06
    least: int = 30
    shrink: float = 20.0
    rows: float = 0.5
    features: float = 0.3


class Node(msgspec.Struct, array_like=True):
    """A split: to `low` where the feature is at most `bound`, else `high`; a leaf where `feature` is -1.

    `value` is what the tree adds for a row that comes to this node, were it a leaf.
    """

    feature: int
    bound: float
    low: int
    high: int
    value: float


Tree = list[Node]


def predict(trees: Sequence[Tree], features: Sequence[float]) -> float:
    """The sum of what the trees say of a row."""
    total = 0.0
    for tree in trees:
        node = tree[0]
        while node.feature >= 0:
            node = tree[node.low if features[node.feature] <= node.bound else node.high]
        total += node.value
    return total


def parts(trees: Sequence[Tree], features: Sequence[float]) -> dict[int, float]:
    """How much of the prediction is due to each feature: what changed where a tree asked for it (Saabas, 2014)."""
    found: dict[int, float] = {}
    for tree in trees:
        node = tree[0]
        while node.feature >= 0:
            after = tree[node.low if features[node.feature] <= node.bound else node.high]
            found[node.feature] = found.get(node.feature, 0.0) + after.value - node.value
            node = after
    return found


def importance(trees: Sequence[Tree]) -> dict[int, float]:
    """How much scores change by each feature: the sum over its splits of how far apart both sides are."""
    found: dict[int, float] = {}
    for tree in trees:
        for node in tree:
            if node.feature >= 0:
                apart = abs(tree[node.low].value - tree[node.high].value)
                found[node.feature] = found.get(node.feature, 0.0) + apart
    return found


def grow(
    rows: Sequence[Sequence[float]],
    target: Sequence[float],
    shape: Shape,
    *,
    seed: int = 0,
    told: Callable[[float], object] = bool,
) -> list[Tree]:
    """Trees whose sum approaches the target; `told` hears the part that is done."""
    grower = _Grower(rows, shape, Random(seed))  # noqa: S311
    left = list(target)
    trees: list[Tree] = []
    for number in range(shape.trees):
        told(number / shape.trees)
        tree = grower.tree(left)
        if len(tree) > 1:
            trees.append(tree)
            left = [rest - predict([tree], row) for rest, row in zip(left, rows, strict=True)]
    return trees


class _Leaf:
    """Rows that are together so far, and their best split."""

    def __init__(self, place: int, rows: list[int]) -> None:
        self.place = place
        self.rows = rows
        self.gain = 0.0
        self.feature = -1
        self.bin = 0


class _Grower:
    def __init__(self, rows: Sequence[Sequence[float]], shape: Shape, random: Random) -> None:
        self._shape = shape
        self._random = random
        self._count = len(rows)
        columns = list(zip(*rows, strict=True))
        self._bounds = [_bounds(column) for column in columns]
        self._bins = [
            [bisect_right(bounds, value) for value in column]
            for bounds, column in zip(self._bounds, columns, strict=True)
        ]
        self._useful = [place for place, bounds in enumerate(self._bounds) if bounds]

    def tree(self, target: Sequence[float]) -> Tree:
        shape, random = self._shape, self._random
        rows = sorted(random.sample(range(self._count), max(1, int(self._count * shape.rows))))
        count = max(1, round(len(self._useful) * shape.features))
        features = sorted(random.sample(self._useful, min(count, len(self._useful))))
        tree = [self._ended(rows, target)]
        open_leaves = [self._searched(_Leaf(0, rows), features, target)]
        for _ in range(shape.leaves - 1):
            best = max(open_leaves, key=lambda leaf: leaf.gain)
            if best.gain <= 0:
                break
            open_leaves.remove(best)
            open_leaves += [self._searched(leaf, features, target) for leaf in self._split(best, tree, target)]
        return tree

    def _split(self, leaf: _Leaf, tree: Tree, target: Sequence[float]) -> list[_Leaf]:
        bins, bound = self._bins[leaf.feature], leaf.bin
        low = [row for row in leaf.rows if bins[row] <= bound]
        high = [row for row in leaf.rows if bins[row] > bound]
        place = len(tree)
        value = tree[leaf.place].value
        tree[leaf.place] = Node(leaf.feature, self._bounds[leaf.feature][bound], place, place + 1, value)
        tree += [self._ended(low, target), self._ended(high, target)]
        return [_Leaf(place, low), _Leaf(place + 1, high)]

    def _ended(self, rows: list[int], target: Sequence[float]) -> Node:
        total = sum([target[row] for row in rows])
        return Node(-1, 0.0, 0, 0, self._shape.rate * total / (len(rows) + self._shape.shrink))

    def _searched(self, leaf: _Leaf, features: list[int], target: Sequence[float]) -> _Leaf:
        shape, count = self._shape, len(leaf.rows)
        if count < 2 * shape.least:
            return leaf
        values = [target[row] for row in leaf.rows]
        total = sum(values)
        before = total * total / (count + shape.shrink)
        for feature in features:
            sums, counts = [0.0] * BINS, [0] * BINS
            bins = self._bins[feature]
            for row, value in zip(leaf.rows, values, strict=True):
                place = bins[row]
                sums[place] += value
                counts[place] += 1
            low, number = 0.0, 0
            for place in range(len(self._bounds[feature])):
                low += sums[place]
                number += counts[place]
                rest = count - number
                if number >= shape.least and rest >= shape.least:
                    gain = low**2 / (number + shape.shrink) + (total - low) ** 2 / (rest + shape.shrink) - before
                    if gain > leaf.gain:
                        leaf.gain, leaf.feature, leaf.bin = gain, feature, place
        return leaf


def _bounds(column: Sequence[float]) -> list[float]:
    """Where one bin ends and the next begins: halfway between two values that are neighbours."""
    ordered = sorted(column)
    cuts = {ordered[len(ordered) * place // BINS] for place in range(1, BINS)}
    distinct = sorted(set(ordered))
    places = {value: place for place, value in enumerate(distinct)}
    return sorted({(distinct[places[cut] - 1] + cut) / 2 for cut in cuts if places[cut] > 0})
