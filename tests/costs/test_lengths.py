"""How long answers are expected to be."""

from emonk.costs.lengths import FIRST_OUTPUT, Lengths


def test_one_long_answer_says_little_of_the_next_and_many_do() -> None:
    lengths = Lengths()
    assert lengths.expected == FIRST_OUTPUT
    lengths.learn(1_000_000)
    assert lengths.expected == 800
    for _ in range(20):
        lengths.learn(20_000)
    assert 15_000 < lengths.expected <= 20_000
    for _ in range(60):
        lengths.learn(0)
    assert lengths.expected == 1
    for _ in range(40):
        lengths.learn(900)
    assert 800 < lengths.expected <= 900


def test_the_shortest_is_one_of_late_and_not_long_where_few_are_known() -> None:
    lengths = Lengths()
    assert lengths.shortest == 0
    for _ in range(4):
        lengths.learn(20_000)
        assert lengths.shortest == FIRST_OUTPUT
    lengths.learn(30_000)
    assert lengths.shortest == 20_000
    lengths.learn(7)
    assert lengths.shortest == 7
    for _ in range(20):
        lengths.learn(800)
    assert lengths.shortest == 800
