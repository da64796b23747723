"""The Anthropic stand-in in its own process, failing as it is told, to see by hand what an agent makes of it."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import count

import msgspec

from emonk.testing.anthropic import AnthropicServer
from emonk.testing.anthropic_answers import fails, says
from emonk.testing.stand_in import Plain, SeenRequest

ABOUT = """\
A stand-in for the Anthropic API on 127.0.0.1, to try things by hand: set ANTHROPIC_BASE_URL to the url that it prints
and ANTHROPIC_API_KEY to anything.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the stand-in."""
    parser = argparse.ArgumentParser(prog="python -m emonk.testing.anthropic", description=ABOUT)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument(
        "--status", type=int, default=200, choices=(200, *range(400, 600)), metavar="STATUS", help="such as 529 or 429"
    )
    parser.add_argument("--failures", type=int, help="only the first so many requests fail")
    parser.add_argument("--retry-after", type=float, help="seconds that a failure asks to wait")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before every answer")
    parser.add_argument("--text", default="Hello from the stand-in.", help="what other requests are answered")
    given = parser.parse_args(arguments)
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(_serve(given))
    except (OSError, OverflowError) as error:
        parser.error(f"cannot listen on port {given.port}: {getattr(error, 'strerror', None) or error}")


async def _serve(given: argparse.Namespace) -> None:
    """Listen until cancelled; the first line on standard output is `{"url": ...}`, each request one on error."""
    numbers = count(1)

    async def answer(seen: SeenRequest) -> Plain:
        number = next(numbers)
        status: int = given.status if given.failures is None or number <= given.failures else 200
        sys.stderr.write(f"request {number}: {seen.model}, {status}\n")
        await asyncio.sleep(given.delay)
        if status == 200:
            return says(given.text)
        return fails(status, f"The stand-in fails with {status}.", retry_after=given.retry_after)

    async with AnthropicServer(answer, port=given.port) as server:
        sys.stdout.write(msgspec.json.encode({"url": server.base_url}).decode() + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()
