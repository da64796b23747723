"""Calls as the tests of the breaker need them."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

from emonk.errors import Unavailable
from emonk.resilience.breaker import CircuitBreaker
from emonk.testing.clock import ManualClock


class JumpingClock(ManualClock):
    """A wall clock that can be set, as by NTP or a hand, while monotonic time goes on."""

    jump = 0.0

    def time(self) -> float:
        return super().time() + self.jump


class Dependency:
    """Counts who reaches it; answers, after `seconds`, or fails with `error`."""

    def __init__(self, clock: ManualClock, *, error: BaseException | None = None, seconds: float = 0.0) -> None:
        self.clock = clock
        self.error = error
        self.seconds = seconds
        self.reached = 0

    async def __call__(self, answer: str = "answer") -> str:
        self.reached += 1
        await self.clock.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return answer


def no_chance() -> float:
    return 0.0


def breaker_of(clock: ManualClock, **settings: float | None) -> CircuitBreaker:
    """Named `gemini`, with exact open times."""
    return CircuitBreaker("gemini", clock=clock, random=no_chance, **settings)  # pyright: ignore[reportArgumentType]


async def use(breaker: CircuitBreaker, *errors: BaseException | None) -> None:
    """One call after the other that ends so; what is raised is swallowed."""
    for error in errors:
        with suppress(BaseException):
            async with breaker:
                if error is not None:
                    raise error


def failures(count: int) -> Iterator[BaseException]:
    return (Unavailable("503") for _ in range(count))


async def opened(clock: ManualClock, **settings: float | None) -> CircuitBreaker:
    breaker = breaker_of(clock, **settings)
    await use(breaker, *failures(10))
    return breaker


async def half_opened(clock: ManualClock, **settings: float | None) -> CircuitBreaker:
    breaker = await opened(clock, **settings)
    await clock.advance(breaker.wait())
    return breaker


async def begun(task: "asyncio.Task[object]") -> None:
    """Let it come to its first wait."""
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
