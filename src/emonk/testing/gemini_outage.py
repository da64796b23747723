"""A Gemini stand-in that fails as it is told, to see by hand what an agent makes of it."""

import asyncio
import sys
from itertools import count

import msgspec

from emonk.testing.gemini import GeminiServer
from emonk.testing.gemini_answers import Plain, SeenRequest, fails, says


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

    def answer(self, number: int) -> Plain:
        """To request `number`, counted from 1."""
        if self.status is None or (self.failures is not None and number > self.failures):
            return says(self.text)
        failure = fails(self.status, f"The stand-in fails with {self.status}.")
        headers = {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}
        return msgspec.structs.replace(failure, headers=headers)


async def serve(outage: Outage, port: int) -> None:
    """Listen until cancelled; the first line on standard output is `{"url": ...}`, each request one on error."""
    numbers = count(1)

    async def answer(seen: SeenRequest) -> Plain:
        number = next(numbers)
        given = outage.answer(number)
        status = getattr(given, "status", 200)
        sys.stderr.write(f"request {number}: {seen.model}, {status}\n")
        await asyncio.sleep(outage.delay)
        return given

    async with GeminiServer(answer, port=port) as server:
        sys.stdout.write(msgspec.json.encode({"url": server.base_url}).decode() + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()
