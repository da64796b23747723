"""A real server on a free port, agents with scripted models behind it, and a reader of server-sent events."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import uvicorn
from starlette.applications import Starlette

from emonk.agent import Agent
from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.extend import Page
from emonk.gateway.app import close_turns, create_app
from emonk.models.protocol import ModelRequest
from emonk.resilience.section import ComponentSection, ResilienceSection
from emonk.runtime.compression.section import ContextSection
from emonk.skills.protocol import Runnable
from emonk.testing.model import Answer, ScriptedModel

TOKEN = "correct-horse"


class Served(msgspec.Struct, frozen=True):
    """The server, and a client that has the token."""

    url: str
    http: aiohttp.ClientSession
    app: Starlette

    async def chat(self, message: str, **fields: Any) -> dict[str, Any]:
        """Ask, and give the answer of a request that is expected to succeed."""
        async with self.http.post(f"{self.url}/api/chat", json={"message": message, **fields}) as response:
            answer = await response.json()
            assert response.status == 200, answer
            return answer

    async def get(self, path: str) -> dict[str, Any]:
        async with self.http.get(self.url + path) as response:
            answer = await response.json()
            assert response.status == 200, answer
            return answer

    async def refused(self, method: str, path: str, status: int, **request: Any) -> dict[str, Any]:
        """The error of a request that is expected to be refused with `status`."""
        async with self.http.request(method, self.url + path, **request) as response:
            answer = await response.json()
            assert response.status == status, answer
            assert set(answer["error"]) == {"code", "message", "hint"}
            return answer["error"]


def agent_of(
    folder: Path,
    script: Iterable[Answer] | Callable[[ModelRequest], Any],
    *,
    name: str = "tester",
    tools: Iterable[Runnable] = (),
    context: ContextSection | None = None,
) -> Agent:
    """An agent, not started, that answers from a script and keeps its sessions in `folder`."""
    store = f"sqlite:///{folder / 'sessions.db'}"
    once = ResilienceSection(models=ComponentSection(retries=0))  # real time is not waited away
    return Agent(
        name,
        ScriptedModel(script),
        tools=tuple(tools),
        store=store,
        unpriced="allow",
        resilience=once,
        context=context,
    )


@asynccontextmanager
async def served(
    *agents: Agent, pages: Iterable[Page] = (), clock: Clock = SYSTEM_CLOCK, allowed_hosts: Iterable[str] = ()
) -> AsyncGenerator[Served]:
    """Start the agents and serve them over HTTP."""
    named = {agent.name: agent for agent in agents}
    app = create_app(named, token=TOKEN, pages=tuple(pages), clock=clock, allowed_hosts=frozenset(allowed_hosts))
    async with AsyncExitStack() as lives:
        for agent in agents:
            await lives.enter_async_context(agent)
        url = await lives.enter_async_context(listening(app))
        headers = {"Authorization": f"Bearer {TOKEN}"}
        yield Served(url, await lives.enter_async_context(aiohttp.ClientSession(headers=headers)), app)


@asynccontextmanager
async def listening(app: Starlette) -> AsyncGenerator[str]:
    """Serve an app on a free port; its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, ws="none", lifespan="off", log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        await close_turns(app, 0.0)
        server.should_exit = True
        await serving


async def events_of(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """The events of a stream; a comment is the event `:`."""
    async for block in _blocks(response):
        if block.startswith(":"):
            yield ":", {}
            continue
        name, _, data = block.partition("\n")
        yield name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


async def _blocks(response: aiohttp.ClientResponse) -> AsyncIterator[str]:
    waiting = ""
    async for chunk in response.content.iter_any():
        *whole, waiting = (waiting + chunk.decode()).split("\n\n")
        for block in whole:
            yield block
    assert not waiting
