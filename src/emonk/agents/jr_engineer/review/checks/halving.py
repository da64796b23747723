"""Finds the few files on which a program crashes, so that it still looks at all others."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from emonk.errors import InfraError

_MOST_TRIES = 100
T = TypeVar("T")


class Crashed(InfraError):
    """The program did not end by itself: some file of those it was given is more than it can bear."""


def by_halves(names: Sequence[str], work: Callable[[Sequence[str]], list[T]]) -> tuple[list[T], dict[str, str]]:
    """What `work` finds in all names but those that it crashes on alone, and why it does on those.

    Raises:
        Crashed: there are so many of them that looking for each would take too long.
    """
    found: list[T] = []
    crashed: dict[str, str] = {}
    waiting = [names]
    tries = 0
    while waiting:
        part = waiting.pop()
        tries += 1
        try:
            found += work(part)
        except Crashed as error:
            if tries > _MOST_TRIES:
                raise
            if len(part) == 1:
                crashed[part[0]] = error.message
            else:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
    return found, crashed
