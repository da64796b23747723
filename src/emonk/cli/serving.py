"""A web server with the lives of its agents around it."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from emonk.agent import Agent
from emonk.cli.connection import Connection
from emonk.cli.terminal import note, say
from emonk.cli.trouble import INTERRUPTED
from emonk.extend import Page
from emonk.gateway.app import close_turns, create_app
from emonk.turns import Pump

ENDING = (signal.SIGINT, signal.SIGTERM)
STDERR = 2
GRACE_SECONDS = 5.0
STREAM_SECONDS = 2
"""For the last words of open streams, after the turns had their time."""


class Serving:
    """Agents, started; the pump, for what an earlier process left; the server; and all of it ended in turn."""

    def __init__(
        self,
        agents: Mapping[str, Agent],
        listener: socket.socket,
        *,
        token: str,
        pages: Sequence[Page],
        allowed_hosts: Collection[str],
        show_token: bool,
    ) -> None:
        self._agents = agents
        self._listener = listener
        self._query = f"/?token={token}" if show_token else ""
        self._app = create_app(agents, token=token, pages=pages, allowed_hosts=allowed_hosts)

    def run(self) -> int:
        """Serve until a signal ends it; the exit code."""
        return asyncio.run(self._run())

    async def _run(self) -> int:
        async with AsyncExitStack() as lives:
            for agent in self._agents.values():
                try:
                    await lives.enter_async_context(agent)
                finally:
                    # Said even when the start fails: what is missing may be why.
                    for line in agent.notices:
                        note(f"{agent.name}: {line}")
            await lives.enter_async_context(Pump(list(self._agents.values())))
            server = _Server(self._app, self._announce)
            await server.serve(sockets=[self._listener])
        say("stopped")
        return 0

    def _announce(self) -> None:
        host, port = self._listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        say(f"http://{shown}:{port}{self._query}")


class _Server(uvicorn.Server):
    """Says when it is ready, and ends turns before connections."""

    def __init__(self, app: Starlette, ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio",
                http=Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=round(GRACE_SECONDS) + STREAM_SECONDS,
            )
        )
        self._app = app
        self._ready = ready
        self._closing: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._closing = asyncio.create_task(close_turns(self._app, GRACE_SECONDS))
        await super().shutdown(sockets)
        await self._closing

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Have the loop take the signals: what runs there is no handler, which might interrupt a write with its own."""
        loop = asyncio.get_running_loop()
        for number in ENDING:
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in ENDING:
                loop.remove_signal_handler(number)
                if self.should_exit:
                    signal.signal(number, _stop_at_once)

    def _stop(self) -> None:
        """End gracefully, at the next signal at once, to the very end of the process and even if the loop is stuck."""
        for number in ENDING:
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, _stop_at_once)
        self.should_exit = True
        note("stopping; once more to stop at once")


def _stop_at_once(number: int, _frame: FrameType | None) -> None:
    """Safe, as turns that are open resume; written past `sys.stderr`, which the signal may have interrupted."""
    with suppress(OSError):
        os.write(STDERR, b"stopped at once; turns that were running resume at the next start\n")
    os._exit(INTERRUPTED if number == signal.SIGINT else 128 + number)
