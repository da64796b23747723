"""A server in the background of a test that drives a browser."""

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager

from playwright.sync_api import Page, expect

from emonk.agent import Agent
from tests.gateway.serving import TOKEN, served


class Background:
    """An event loop in a thread, where the server and its agents live while the test drives the browser."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)

    def __enter__(self) -> "Background":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    @contextmanager
    def serving(self, *agents: Agent) -> Generator[str]:
        """The address of a server that runs until the block ends."""
        context = served(*agents)
        server = asyncio.run_coroutine_threadsafe(context.__aenter__(), self.loop).result()
        try:
            yield server.url
        finally:
            asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), self.loop).result()


def sign_in(page: Page, url: str) -> None:
    page.goto(f"{url}/?token={TOKEN}")
    expect(page.locator("#agents button[aria-pressed=true]")).to_be_visible()
