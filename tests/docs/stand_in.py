"""The local Gemini stand-in for `<!-- docs: gemini [...] -->`, on a loop of its own."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Generator
from typing import Any

from emonk.testing.gemini import GeminiServer
from emonk.testing.gemini_answers import body, calls, says

Json = dict[str, Any]


def answers_of(argument: str) -> list[Json]:
    """The answers that a directive lists: a string is text, `{"tool": {arguments}}` is one or more calls.

    Raises:
        ValueError: the argument is not such a list.
    """
    return [_answer(answer) for answer in json.loads(argument)]


def _answer(answer: str | Json) -> Json:
    if isinstance(answer, str):
        return says(answer)
    return body(*(calls(name, arguments) for name, arguments in answer.items()))


@contextlib.contextmanager
def gemini_stand_in(answers: list[Json]) -> Generator[str]:
    """Serve the answers in their order; the URL to reach them at."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="gemini stand-in", daemon=True)
    thread.start()
    server = GeminiServer(answers)
    try:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result()
        yield server.base_url
        asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
