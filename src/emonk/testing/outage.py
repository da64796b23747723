"""A provider's stand-in in its own process, failing as it is told, to see by hand what an agent makes of it."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from itertools import count
from typing import Any

import msgspec

from emonk.testing.answers import Plain, SeenRequest
from emonk.testing.stand_in import StandIn


class Outage(msgspec.Struct, frozen=True):
    """What to answer.

    Attributes:
        status: of the requests that fail; None fails none.
        failures: how many of them do, the first ones; None fails all.
        retry_after: seconds that a failure asks to wait.
        delay: seconds before any answer.
        text: what the others are answered.
    """

    status: int | None = None
    failures: int | None = None
    retry_after: float | None = None
    delay: float = 0.0
    text: str = "Hello from the stand-in."

    def answer(self, server: StandIn, seen: SeenRequest, number: int) -> Plain:
        """To request `number`, counted from 1."""
        if self.status is None or (self.failures is not None and number > self.failures):
            return server.says(seen, self.text)
        failure = server.fails(self.status, f"The stand-in fails with {self.status}.")
        headers = {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}
        return msgspec.structs.replace(failure, headers=headers)


def run(
    name: str,
    about: str,
    kind: type[StandIn],
    arguments: Sequence[str] | None,
    *,
    alone: Callable[[int], Coroutine[Any, Any, None]] | None = None,
) -> None:
    """Read a command line and do what it says until interrupted.

    Args:
        name: of the module that is run, after `emonk.testing.`.
        about: what its `--help` says.
        kind: the stand-in.
        arguments: those of the process when None.
        alone: what listens at a port of which nothing else is told; the stand-in when None.
    """
    parser = _parser(name, about)
    given = vars(parser.parse_args(arguments))
    port: int = given.pop("port")
    told = {option: value for option, value in given.items() if value is not None}
    if "status" not in told and {"failures", "retry_after"} & told.keys():
        parser.error("--failures and --retry-after belong to --status")
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(alone(port) if alone and not told else _serve(kind, Outage(**told), port))
    except (OSError, OverflowError) as error:
        parser.error(f"cannot listen on port {port}: {getattr(error, 'strerror', None) or error}")


def announce(url: str) -> None:
    """The first line on standard output, `{"url": ...}`, by which who started the process finds it."""
    sys.stdout.write(msgspec.json.encode({"url": url}).decode() + "\n")
    sys.stdout.flush()


async def _serve(kind: type[StandIn], outage: Outage, port: int) -> None:
    """Listen until cancelled; each request is a line on standard error."""
    numbers = count(1)

    async def answer(seen: SeenRequest) -> Plain:
        number = next(numbers)
        given = outage.answer(server, seen, number)
        status = getattr(given, "status", 200)
        sys.stderr.write(f"request {number}: {seen.model}, {status}\n")
        await asyncio.sleep(outage.delay)
        return given

    async with kind(answer, port=port) as server:
        announce(server.base_url)
        await asyncio.Event().wait()


def _parser(name: str, about: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m emonk.testing.{name}", description=about)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--status", type=_status, help="the HTTP status with which requests fail, such as 503 or 429")
    parser.add_argument("--failures", type=_number(int), help="only the first so many requests fail")
    parser.add_argument("--retry-after", type=_number(float), help="seconds that a failure asks to wait")
    parser.add_argument("--delay", type=_number(float), help="seconds before every answer")
    parser.add_argument("--text", help="what requests that do not fail are answered")
    return parser


def _status(text: str) -> int:
    if not (text.isdecimal() and 400 <= int(text) <= 599):
        raise argparse.ArgumentTypeError(f"{text} is no status of a failure; 400 to 599 are")
    return int(text)


def _number(kind: type[int | float]) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = -1
        if not 0 <= value <= 1e9:
            raise argparse.ArgumentTypeError(f"{text} is no number from 0 on")
        return value

    return read
