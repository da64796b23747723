"""What a closed breaker costs: `python benchmarks/breaker.py` prints microseconds per call, beyond a bare await.

Each is the median of several rounds taken in turns with those of the bare call. The exit status is 1 when a measure is
over its limit.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

from emonk.resilience.breaker import CircuitBreaker
from emonk.resilience.breaker_events import BreakerEvent

CALLS = 20_000
ROUNDS = 7
LIMIT = 20.0
"""Microseconds that a closed breaker may cost."""


async def nothing() -> None:
    """What is called: as little as can be awaited."""


async def bare() -> None:
    for _ in range(CALLS):
        await nothing()


async def by_call(breaker: CircuitBreaker) -> None:
    for _ in range(CALLS):
        await breaker.call(nothing)


async def by_block(breaker: CircuitBreaker) -> None:
    for _ in range(CALLS):
        async with breaker:
            await nothing()


async def by_permit(breaker: CircuitBreaker) -> None:
    for _ in range(CALLS):
        permit = breaker.acquire()
        await nothing()
        permit.done()


async def timed(run: Callable[[], Awaitable[None]]) -> float:
    """Microseconds per call."""
    started = time.perf_counter()
    await run()
    return (time.perf_counter() - started) / CALLS * 1e6


async def main() -> int:
    watched = CircuitBreaker("watched")
    events: list[BreakerEvent] = []
    watched.subscribe(events.append)
    measured: dict[str, Callable[[], Awaitable[None]]] = {
        "bare await": bare,
        "await breaker.call(fn)": lambda: by_call(CircuitBreaker("bench")),
        "async with breaker": lambda: by_block(CircuitBreaker("bench")),
        "acquire() and done()": lambda: by_permit(CircuitBreaker("bench")),
        "await breaker.call(fn), with a listener": lambda: by_call(watched),
    }
    rounds = [[await timed(run) for run in measured.values()] for _ in range(ROUNDS)]
    base, *costs = [statistics.median(column) for column in zip(*rounds, strict=True)]
    print(f"{'bare await':<42} {base:6.2f} us")
    for what, cost in zip(list(measured)[1:], costs, strict=True):
        over = cost - base
        kept = "" if over <= LIMIT else "  OVER"
        print(f"{what:<42} {over:6.2f} us beyond, {over / LIMIT:4.0%} of {LIMIT:g} us{kept}")
    return 0 if all(cost - base <= LIMIT for cost in costs) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
