"""How long answers of a model are, as those before them tell: what a call may cost rests on that."""

from collections import deque

FIRST_OUTPUT = 500
"""Tokens that an answer is expected to have while nothing is known of others."""

_WEIGHT = 0.2
"""Of the latest answer, in the estimate of the next one."""

_OUTLIER = 4
"""An answer counts as at most so many times as long as was expected: one very long one says little of the next."""

_KEPT = 20
_FEW = 5


class Lengths:
    """What is known of the answers of one model, in tokens."""

    def __init__(self, expected: float = FIRST_OUTPUT) -> None:
        self._expected = expected
        self._latest: deque[int] = deque(maxlen=_KEPT)

    @property
    def expected(self) -> int:
        """Of the next answer, about."""
        return round(self._expected)

    @property
    def shortest(self) -> int:
        """Of the latest answers; 0 where there is none, and no more than at first where there are few."""
        if not self._latest:
            return 0
        shortest = min(self._latest)
        return shortest if len(self._latest) >= _FEW else min(shortest, FIRST_OUTPUT)

    def learn(self, output: int) -> None:
        """There was one more: the estimate moves towards it."""
        self._latest.append(output)
        known = self._expected
        self._expected = max(1.0, known + _WEIGHT * (min(output, _OUTLIER * known) - known))
