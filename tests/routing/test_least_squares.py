import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonk.routing.least_squares import Product, Sparse, solve_ridge

NUMBERS = st.floats(-2, 2, allow_subnormal=False)


def matrices(height: int, width: int) -> st.SearchStrategy[list[list[float]]]:
    return st.lists(st.lists(NUMBERS, min_size=width, max_size=width), min_size=height, max_size=height)


def sparse(dense: list[list[float]], width: int) -> Sparse:
    return Sparse([([p for p, v in enumerate(row) if v], [v for v in row if v]) for row in dense], width)


@settings(deadline=None)
@given(matrices(6, 3), matrices(6, 2), matrices(2, 4), st.lists(NUMBERS, min_size=6, max_size=6))
def test_the_gradient_is_gone_where_it_ends(
    first: list[list[float]], outer: list[list[float]], inner: list[list[float]], target: list[float]
) -> None:
    blocks = [(sparse(first, 3), 3), (Product(sparse(outer, 2), sparse(inner, 4)), 4)]
    weights = solve_ridge(blocks, target, 1.5, steps=100, close=1e-9)
    said = [sum(parts) for parts in zip(*(m.times(w) for (m, _), w in zip(blocks, weights, strict=True)), strict=True)]
    rest = [one - other for one, other in zip(target, said, strict=True)]
    for (matrix, _), own in zip(blocks, weights, strict=True):
        assert matrix.transposed_times(rest) == pytest.approx([1.5 * weight for weight in own], abs=1e-5)


@given(matrices(4, 3), st.lists(NUMBERS, min_size=3, max_size=3), st.lists(NUMBERS, min_size=4, max_size=4))
def test_products_are_those_of_the_dense_matrix(
    dense: list[list[float]], right: list[float], left: list[float]
) -> None:
    matrix = sparse(dense, 3)
    assert matrix.times(right) == pytest.approx([sum(a * b for a, b in zip(row, right, strict=True)) for row in dense])
    columns = list(zip(*dense, strict=True))
    assert matrix.transposed_times(left) == pytest.approx(
        [sum(a * b for a, b in zip(column, left, strict=True)) for column in columns]
    )
