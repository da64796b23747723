"""Connections of clients that are slow, or never ask."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from emonk.cli.connection import Connection


class Hasty(Connection):
    head_seconds = 0.05


class Slow:
    """An app that answers when it is let."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.open = asyncio.Event()

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        self.asked.set()
        await self.open.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})


@asynccontextmanager
async def listening(app: Slow) -> AsyncGenerator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http=Hasty, ws="none", lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await serving


@pytest.mark.parametrize("sent", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: a\r\nX: "])
def test_who_never_asks_is_hung_up_on(sent: bytes) -> None:
    async def main() -> None:
        async with listening(Slow()) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            assert await reader.read() == b""
            writer.close()

    asyncio.run(main())


def test_who_asked_is_waited_for_and_then_has_as_long_again() -> None:
    async def main() -> None:
        app = Slow()
        async with listening(app) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await app.asked.wait()
            other, unused = await asyncio.open_connection("127.0.0.1", port)
            assert await other.read() == b""
            app.open.set()
            assert (await reader.readline()).startswith(b"HTTP/1.1 204")
            writer.write(b"GET / HTTP/1.1\r\nX: ")
            assert b"HTTP" not in await reader.read()
            writer.close()
            unused.close()

    asyncio.run(main())
