"""A service that posts, over real HTTP, and keeps its own log of what it did; it takes no key for a reason not to."""

import asyncio
from typing import Any, Self

from aiohttp import ClientSession, web

from emonk import Context, Happened, NotHappened, tool
from emonk.records import Effect
from emonk.skills.function import Tool
from emonk.testing.loopback import listen

KEY = "Idempotency-Key"


class Remote:
    """The service.

    Attributes:
        holds: `request` holds a request before it acts, `acted` the answer to it; empty holds nothing.
        reached: the request is held.
        log: the keys of what it did.
    """

    def __init__(self, holds: str = "") -> None:
        self.holds = holds
        self.reached = asyncio.Event()
        self.log: list[str] = []
        self.url = ""
        self._gone = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._runner, self.url = await listen([web.post("/posts", self._post), web.get("/posts/{key}", self._find)])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def let_go(self) -> None:
        """Whoever asked is gone. Nothing is held from now on."""
        self.holds = ""
        self._gone.set()

    async def _post(self, request: web.Request) -> web.Response:
        if self.holds == "request":
            await self._hold()
        self.log.append(request.headers[KEY])
        if self.holds == "acted":
            await self._hold()
        return web.json_response({"id": f"post-{len(self.log)}"})

    async def _find(self, request: web.Request) -> web.Response:
        key = request.match_info["key"]
        if key not in self.log:
            raise web.HTTPNotFound
        return web.json_response({"id": f"post-{self.log.index(key) + 1}"})

    async def _hold(self) -> None:
        """Until whoever asked is gone; what went on for it ends here."""
        self.reached.set()
        await self._gone.wait()
        raise web.HTTPServiceUnavailable


def remote_tool(url: str, *, looks: bool) -> Tool[..., Any]:
    """The tool `post` of an agent, with or without a look at what the service did."""

    @tool(risk="low", effect="the page")
    async def post(ctx: Context, text: str) -> str:
        """Post something."""
        async with (
            ClientSession() as session,
            session.post(f"{url}/posts", json={"text": text}, headers={KEY: ctx.effect_key}) as answer,
        ):
            answer.raise_for_status()
            remote_id = (await answer.json())["id"]
        ctx.acted_as(remote_id)
        return f"posted as {remote_id}"

    async def find(effect: Effect, ctx: Context) -> Happened | NotHappened | None:
        async with ClientSession() as session, session.get(f"{url}/posts/{effect.key}") as answer:
            if answer.status == 404:
                return NotHappened()
            answer.raise_for_status()
            remote_id = (await answer.json())["id"]
        return Happened(f"posted as {remote_id}", remote_id)

    if looks:
        post.reconcile(find)
    return post
