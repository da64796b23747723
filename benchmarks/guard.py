"""What a guard without faults adds to a call: `python benchmarks/guard.py`.

CPU of calls of an async function that does nothing, bare and through a guard, by turns; the median of the differences.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

from emonk.resilience.guards import Guards

CALLS = 20_000
PAIRS = 9
TARGET = 60.0
"""Microseconds."""


async def nothing() -> None:
    return


async def measure() -> dict[str, float]:
    guard = Guards().of("models", "nothing")

    async def guarded() -> None:
        await guard.call(nothing)

    for work in (nothing, guarded):
        await run(work)
    pairs = [(await run(nothing), await run(guarded)) for _ in range(PAIRS)]
    return {
        "bare_us": round(statistics.median(bare for bare, _ in pairs), 2),
        "guard_us": round(statistics.median(with_guard - bare for bare, with_guard in pairs), 2),
        "target_us": TARGET,
    }


async def run(work: Callable[[], Awaitable[None]]) -> float:
    """CPU microseconds for one call."""
    before = time.process_time()
    for _ in range(CALLS):
        await work()
    return (time.process_time() - before) * 1e6 / CALLS


def main() -> int:
    report = asyncio.run(measure())
    print(json.dumps(report, indent=2))
    return int(report["guard_us"] > TARGET)


if __name__ == "__main__":
    sys.exit(main())
