import random

import pytest

from emonk.routing.trees import Shape, grow, parts, predict


def test_trees_find_what_two_features_say_together() -> None:
    draw = random.Random(1)
    rows = [[draw.random(), draw.random(), draw.random()] for _ in range(600)]
    target = [1.0 if (row[0] > 0.5) != (row[1] > 0.3) else -1.0 for row in rows]
    trees = grow(rows, target, Shape(trees=60, rate=0.2, features=1.0))
    right = sum((predict(trees, row) > 0) == (wanted > 0) for row, wanted in zip(rows, target, strict=True))
    assert right > 570


def test_no_leaf_is_of_fewer_rows_than_asked_for() -> None:
    assert grow([[float(n)] for n in range(59)], [1.0] * 59, Shape(least=30)) == []


def test_features_that_never_differ_are_not_asked() -> None:
    assert grow([[1.0, 2.0]] * 200, [1.0, -1.0] * 100, Shape()) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_the_parts_of_a_prediction_are_what_each_feature_changed(seed: int) -> None:
    draw = random.Random(seed)
    rows = [[draw.random(), draw.randint(0, 3)] for _ in range(300)]
    trees = grow(rows, [row[0] - row[1] for row in rows], Shape(trees=20))
    start = sum(tree[0].value for tree in trees)
    for row in rows[:50]:
        assert start + sum(parts(trees, row).values()) == pytest.approx(predict(trees, row))
