"""What breakers on PyPI do in the cases that matter here: `python scripts/compare_breakers.py` writes docs/breakers.md.

Each case is run, with every library at its defaults but an open time of 30 s. They are no dependencies of emonk:
`pip install --target DIRECTORY purgatory aiobreaker pybreaker`, and name the directory in PYTHONPATH.
"""

import asyncio
import importlib.util
import sys
from contextlib import suppress
from pathlib import Path

from breaker_libraries import LIBRARIES, OPEN_FOR, Dependency, Make, Subject, World, title_of

from emonk.errors import InvalidArguments, RateLimited, Unavailable

PAGE = Path(__file__).parent.parent / "docs" / "breakers.md"
BEGIN, END = "<!-- comparison: written by scripts/compare_breakers.py -->", "<!-- comparison: end -->"
HOUR = 3600.0
MANY = 1000


async def attempt(subject: Subject, dependency: Dependency) -> bool:
    """One call; whether it reached the dependency."""
    before = dependency.reached
    with suppress(Exception, asyncio.CancelledError):
        await subject.call(dependency)
    return dependency.reached > before


async def trip(subject: Subject) -> None:
    """Fail until the circuit is open."""
    down = Dependency(Unavailable("503"))
    for _ in range(MANY):
        if not await attempt(subject, down):
            return
    raise SystemExit(f"{subject.library} does not open when all calls fail")


async def seconds_until_admitted(subject: Subject, world: World, dependency: Dependency) -> int:
    """How long until a call reaches the dependency, tried once a second."""
    for second in range(3 * int(HOUR)):
        if await attempt(subject, dependency):
            return second
        world.passed += 1
    raise SystemExit(f"{subject.library} does not admit a call within three hours")


async def opens(subject: Subject, errors: list[BaseException | None]) -> str:
    """After which call of the pattern it opens."""
    dependencies = [Dependency(error) for error in errors]
    for number in range(MANY):
        if not await attempt(subject, dependencies[number % len(errors)]):
            return f"opens after call {number}"
    return f"never opens in {MANY:,} calls"


async def alternating(make: Make) -> str:
    """Every second call fails."""
    return await opens(make(World()), [Unavailable("503"), None])


async def wrong_requests(make: Make) -> str:
    """Only wrong requests (4xx), nothing configured."""
    return await opens(make(World()), [InvalidArguments("400")])


async def excluded_errors(make: Make) -> str:
    """4 failures, 1 excluded error, and so on."""
    down = Unavailable("503")
    return await opens(make(World(), (InvalidArguments,)), [down, down, down, down, InvalidArguments("400")])


async def coroutine_functions(make: Make) -> str:
    """A coroutine function fails."""
    subject = make(World())
    down = Dependency(Unavailable("503"))
    for number in range(MANY):
        before = down.reached
        with suppress(Exception):
            await subject.call_coroutine(down)
        if down.reached == before:
            return f"opens after call {number}"
    return f"never opens in {MANY:,} calls"


async def slow_calls(make: Make) -> str:
    """20 calls at once take 31 s each and succeed."""
    world = World()
    subject = make(world)
    slow = Dependency(gate=True)
    calls = [asyncio.create_task(subject.call(slow)) for _ in range(20)]
    await asyncio.sleep(0.05)
    world.passed += 31
    slow.release()
    await asyncio.gather(*calls, return_exceptions=True)
    return "stays closed" if await attempt(subject, Dependency()) else "opens"


async def cancelled_calls(make: Make) -> str:
    """20 calls are cancelled."""
    subject = make(World())
    if subject.threads:
        return "no cancellation"
    for _ in range(20):
        hanging = Dependency(gate=True)
        call = asyncio.create_task(subject.call(hanging))
        await asyncio.sleep(0.001)
        call.cancel()
        await asyncio.wait([call])
        if not hanging.reached:
            return "counted as failures: opens"
    return "not counted" if subject.closed() else "opens"


async def crowd(make: Make, error: BaseException | None) -> str:
    """Have 100 callers come at once when the open time is over."""
    world = World()
    subject = make(world)
    await trip(subject)
    world.passed += OPEN_FOR + 1
    dependency = Dependency(error, seconds=0.01)
    await asyncio.gather(*(attempt(subject, dependency) for _ in range(100)))
    return f"{dependency.reached} of 100"


async def crowd_when_back(make: Make) -> str:
    """Half open, dependency is back: callers that reach it."""
    return await crowd(make, None)


async def crowd_when_down(make: Make) -> str:
    """Half open, dependency is still down: callers that reach it."""
    return await crowd(make, Unavailable("503"))


async def late_answer(make: Make) -> str:
    """Half open, a call from before the outage succeeds."""
    world = World()
    subject = make(world)
    if subject.threads:
        return "none: calls wait for each other"
    early, probe = Dependency(gate=True), Dependency(gate=True)
    late = asyncio.create_task(subject.call(early))
    await asyncio.sleep(0.001)
    await trip(subject)
    world.passed += OPEN_FOR + 1
    probing = asyncio.create_task(subject.call(probe))
    await asyncio.sleep(0.001)
    early.release()
    await late
    closes = subject.closed()
    probe.release()
    await probing
    return "closes the circuit" if closes else "not counted"


async def clock_set(make: Make, jump: float) -> str:
    """Set the wall clock while the circuit is open."""
    world = World()
    subject = make(world)
    await trip(subject)
    world.jumped = jump
    seconds = await seconds_until_admitted(subject, world, Dependency())
    return f"{seconds:,} s"


async def clock_set_back(make: Make) -> str:
    """Open 30 s, wall clock set back 1 h: next call after."""
    return await clock_set(make, -HOUR)


async def clock_set_forward(make: Make) -> str:
    """Open 30 s, wall clock set forward 1 h: next call after."""
    return await clock_set(make, HOUR)


async def open_times(make: Make) -> str:
    """Open times while it stays down."""
    world = World()
    subject = make(world)
    lengths: list[str] = []
    for _ in range(4):
        await trip(subject)
        lengths.append(str(await seconds_until_admitted(subject, world, Dependency(Unavailable("503")))))
    return f"{', '.join(lengths)} s"


async def rate_limit(make: Make) -> str:
    """429 with `Retry-After: 20`."""
    world = World()
    subject = make(world)
    await attempt(subject, Dependency(RateLimited("429", retry_after=20.0)))
    seconds = await seconds_until_admitted(subject, world, Dependency())
    if seconds:
        return f"next call after {seconds} s, no failure" if subject.closed() else f"opens, for {seconds} s"
    often = Dependency(RateLimited("429", retry_after=20.0))
    for _ in range(20):
        if not await attempt(subject, often):
            return "a failure"
    return "nothing"


async def hanging_call(make: Make) -> str:
    """Others, while one call hangs."""
    subject = make(World())
    hanging, other = Dependency(gate=True), Dependency()
    call = asyncio.create_task(subject.call(hanging))
    await asyncio.sleep(0.02)
    second = asyncio.create_task(subject.call(other))
    await asyncio.sleep(0.1)
    waits = not other.reached
    hanging.release()
    await asyncio.gather(call, second)
    return "wait for it" if waits else "go on"


CASES = (
    alternating,
    slow_calls,
    coroutine_functions,
    wrong_requests,
    excluded_errors,
    cancelled_calls,
    rate_limit,
    hanging_call,
    crowd_when_back,
    crowd_when_down,
    late_answer,
    clock_set_back,
    clock_set_forward,
    open_times,
)
"""The rows of the table, each named by its docstring."""


async def table() -> str:
    """Every case with every library, as Markdown; a row is printed when it is known."""
    titles = [title_of(make(World()).library) for make in LIBRARIES]
    lines = [f"| | {' | '.join(titles)} |", f"|---|{'---|' * len(titles)}"]
    for case in CASES:
        what = (case.__doc__ or "").rstrip(".")
        lines.append(f"| {what} | {' | '.join([await case(make) for make in LIBRARIES])} |")
        print(lines[-1])
    return "\n".join(lines)


def main() -> int:
    """Write the table between its two marks on the page."""
    missing = [name for name in ("purgatory", "aiobreaker", "pybreaker") if importlib.util.find_spec(name) is None]
    if missing:
        print(f"not installed: {', '.join(missing)}; see the top of this file", file=sys.stderr)
        return 2
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        print(f"{PAGE} has no lines {BEGIN} and {END}", file=sys.stderr)
        return 2
    PAGE.write_text(f"{before}{BEGIN}\n\n{asyncio.run(table())}\n\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
