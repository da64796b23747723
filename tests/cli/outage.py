"""A language model that is down until a test says otherwise, and an agent that asks it."""

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from emonk.testing.answers import Plain, SeenRequest
from emonk.testing.gemini import GeminiServer
from emonk.testing.gemini_answers import fails, says

AGENT = """\
agent:
  name: helper
  llm: {model: "gemini:gemini-3.5-flash"}
  resilience: {models: {retries: 0}}
"""


class Outage:
    """Gemini, from the side of its stand-in: 503 while `over` is False, then a number with each answer."""

    def __init__(self) -> None:
        self.over = False
        self.asked = 0

    def __call__(self, _request: SeenRequest) -> Plain:
        self.asked += 1
        return says(f"Answer {self.asked}.") if self.over else fails(503, "too busy")


def write_agent(folder: Path, text: str = AGENT) -> Path:
    (folder / "agent.yaml").write_text(text)
    return folder / "agent.yaml"


@contextmanager
def stand_in(outage: Outage) -> Generator[dict[str, str]]:
    """Serve it; the environment of those who ask it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = GeminiServer(outage)
    try:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result()
        yield {"EMONK_GEMINI_BASE_URL": server.base_url, "GEMINI_API_KEY": "k"}
        asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
