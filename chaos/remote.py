"""What the tools act on: a service with a log of its own, over HTTP, that outlives the processes that are killed."""

from collections import Counter

import aiohttp
from aiohttp import web

from emonk.testing.loopback import listen

_WORD = "/words/{word}"


class Remote:
    """Does what it is asked to, and remembers it.

    Attributes:
        done: how often each word was done.
        base_url: where it listens, once entered.
    """

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.base_url = ""

    async def __aenter__(self) -> "Remote":
        self._runner, self.base_url = await listen([web.post(_WORD, self._do), web.get(_WORD, self._tell)])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _do(self, request: web.Request) -> web.Response:
        word = request.match_info["word"]
        self.done[word] += 1
        return web.Response(text=f"{word} is done")

    async def _tell(self, request: web.Request) -> web.Response:
        word = request.match_info["word"]
        return web.Response(text=f"{word} is done") if self.done[word] else web.Response(status=404)


class Caller:
    """The tools' side of it."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    async def do(self, word: str) -> str:
        async with aiohttp.ClientSession() as session, session.post(f"{self._base_url}/words/{word}") as answer:
            return await answer.text()

    async def look(self, word: str) -> str | None:
        """What is known of the word; None when it was never done."""
        async with aiohttp.ClientSession() as session, session.get(f"{self._base_url}/words/{word}") as answer:
            return await answer.text() if answer.status == 200 else None
