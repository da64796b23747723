"""A turn that the user may interrupt."""

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


def attempt(runner: "asyncio.Runner", turn: Coroutine[Any, Any, T]) -> T | None:
    """Run a turn to its end; None when the user interrupted it, which cancels it."""
    try:
        return runner.run(turn)
    except KeyboardInterrupt:
        return None
