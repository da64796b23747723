"""Circuit breakers of several libraries behind one door, for `compare_breakers.py`; their time is moved by hand."""

import asyncio
import importlib
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any, Protocol, Self

import emonk
from emonk.resilience.breaker import CircuitBreaker

OPEN_FOR = 30.0
"""Seconds that each breaker is told to stay open; everything else is left at its default."""


class World:
    """Time that passes only when told, and a wall clock that can be set. It is a `Clock` for emonk."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.jumped = 0.0

    def monotonic(self) -> float:
        return 1000.0 + self.passed

    def time(self) -> float:
        return 1_750_000_000.0 + self.passed + self.jumped

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(f"a breaker never sleeps, and this one wants to for {seconds} s")


class Dependency:
    """What is called. It waits for its gate if it has one, then answers or fails."""

    def __init__(self, error: BaseException | None = None, *, gate: bool = False, seconds: float = 0.0) -> None:
        self.error = error
        self.seconds = seconds
        self.reached = 0
        self._gate = asyncio.Event()
        self._gate_of_threads = threading.Event()
        if not gate:
            self.release()

    def release(self) -> None:
        self._gate.set()
        self._gate_of_threads.set()

    async def __call__(self) -> None:
        self.reached += 1
        await self._gate.wait()
        await asyncio.sleep(self.seconds)
        self._end()

    def blocking(self) -> None:
        """The same for a thread."""
        self.reached += 1
        self._gate_of_threads.wait()
        time.sleep(self.seconds)
        self._end()

    def _end(self) -> None:
        if self.error is not None:
            raise self.error


class Subject(Protocol):
    """One breaker under test."""

    library: str
    threads: bool

    async def call(self, dependency: Dependency) -> None:
        """Call it through the breaker, as the library wants that done."""
        ...

    async def call_coroutine(self, dependency: Dependency) -> None:
        """Call it through the breaker as a coroutine function."""
        ...

    def closed(self) -> bool:
        """Whether the circuit is closed."""
        ...


class Make(Protocol):
    """Builds a new breaker in a world of its own."""

    def __call__(self, world: World, exclude: tuple[type[Exception], ...] = ()) -> Subject: ...


class Purgatory:
    """purgatory, whose package on PyPI has that name too."""

    library = "purgatory"
    threads = False

    def __init__(self, world: World, exclude: tuple[type[Exception], ...] = ()) -> None:
        model: Any = importlib.import_module("purgatory.domain.model")
        model.time = SimpleNamespace(time=world.time)
        purgatory: Any = importlib.import_module("purgatory")
        self._factory = purgatory.AsyncCircuitBreakerFactory(default_ttl=OPEN_FOR, exclude=list(exclude))
        self._breaker: Any = None

    async def call(self, dependency: Dependency) -> None:
        self._breaker = await self._factory.get_breaker("dependency")
        async with self._breaker:
            await dependency()

    call_coroutine = call

    def closed(self) -> bool:
        return self._breaker.context.state == "closed"


class Aiobreaker:
    """aiobreaker, a port of pybreaker to asyncio."""

    library = "aiobreaker"
    threads = False

    def __init__(self, world: World, exclude: tuple[type[Exception], ...] = ()) -> None:
        for name in ("aiobreaker.state", "aiobreaker.circuitbreaker"):
            module: Any = importlib.import_module(name)
            module.datetime = _datetime_of(world)
        aiobreaker: Any = importlib.import_module("aiobreaker")
        self._breaker = aiobreaker.CircuitBreaker(timeout_duration=timedelta(seconds=OPEN_FOR), exclude=exclude)

    async def call(self, dependency: Dependency) -> None:
        await self._breaker.call_async(dependency)

    call_coroutine = call

    def closed(self) -> bool:
        return self._breaker.current_state.name == "CLOSED"


class Pybreaker:
    """pybreaker, which is for threads; so each call has one."""

    library = "pybreaker"
    threads = True

    def __init__(self, world: World, exclude: tuple[type[Exception], ...] = ()) -> None:
        pybreaker: Any = importlib.import_module("pybreaker")
        pybreaker.datetime = _datetime_of(world)
        self._breaker = pybreaker.CircuitBreaker(reset_timeout=OPEN_FOR, exclude=exclude)

    async def call(self, dependency: Dependency) -> None:
        await _in_thread(lambda: self._breaker.call(dependency.blocking))

    async def call_coroutine(self, dependency: Dependency) -> None:
        await self._breaker.call(dependency)

    def closed(self) -> bool:
        return self._breaker.current_state == "closed"


class Emonk:
    """emonk's own; without jitter, so that open times can be compared."""

    library = "emonk"
    threads = False

    def __init__(self, world: World, exclude: tuple[type[Exception], ...] = ()) -> None:
        del exclude  # it knows which errors are no failures
        self._breaker = CircuitBreaker("dependency", open_for=OPEN_FOR, jitter=0.0, clock=world)

    async def call(self, dependency: Dependency) -> None:
        await self._breaker.call(dependency)

    call_coroutine = call

    def closed(self) -> bool:
        return self._breaker.state == "closed"


LIBRARIES: tuple[Make, ...] = (Purgatory, Aiobreaker, Pybreaker, Emonk)


def title_of(library: str) -> str:
    """The name with its version."""
    return f"{library} {emonk.__version__ if library == 'emonk' else version(library)}"


def _datetime_of(world: World) -> type[datetime]:
    class Datetime(datetime):
        """The wall clock of that world."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(world.time(), tz)

        @classmethod
        def utcnow(cls) -> Self:
            return cls.fromtimestamp(world.time(), UTC).replace(tzinfo=None)

    return Datetime


async def _in_thread(call: Callable[[], object]) -> None:
    """In a thread of its own: a pool would hold callers back that the breaker does not."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - it is raised where the call is awaited
            loop.call_soon_threadsafe(_fail, ended, error)
        else:
            loop.call_soon_threadsafe(_succeed, ended)

    threading.Thread(target=run, daemon=True).start()
    await ended


def _fail(ended: "asyncio.Future[None]", error: BaseException) -> None:
    if not ended.done():
        ended.set_exception(error)


def _succeed(ended: "asyncio.Future[None]") -> None:
    if not ended.done():
        ended.set_result(None)
