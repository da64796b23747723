"""What a turn with one tool call costs in CPU: `python benchmarks/turn.py`.

The same two model calls are made bare with aiohttp (`json=`, `.json()`) and as a turn of an agent with its durable log,
by turns, against a local stand-in in a process of its own. The figure to look at is the median of the pairs' ratios.
CPU is that of this process, all threads, user and system.
"""

import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from emonk import Agent, tool
from emonk.events import InboxItem
from emonk.records import Lease, Owner, SessionKey
from emonk.store.connect import connect
from emonk.store.protocol import Accepted, Claimed, Operation
from emonk.store.sqlite.store import SqliteStore

WARM_UP = 300
TURNS = 60
PAIRS = 45
"""Many short runs by turns: what else the machine does then meets both sides, and the median does not see it."""
TARGETS = {1: 3.0, 100: 2.5}
MODEL = "gemini-2.0-flash"
QUESTION = "What is the weather in Paris?"
INSTRUCTIONS = "You tell the weather."

Work = Callable[[], Awaitable[object]]


@tool(risk="low", idempotent=True)
async def get_weather(city: str) -> str:
    """The weather of a city.

    Args:
        city: its name.
    """
    return f"Sunny in {city}, 22 degrees."


def main() -> int:
    with stand_in() as url, tempfile.TemporaryDirectory() as directory:
        os.environ |= {"GEMINI_API_KEY": "test", "EMONK_GEMINI_BASE_URL": url}
        report = asyncio.run(measure(url, f"sqlite:///{Path(directory) / 'turns.db'}"))
    print(json.dumps(report, indent=2))
    return int(any(report[f"{width}_at_a_time"]["ratio"] > target for width, target in TARGETS.items()))


@contextmanager
def stand_in() -> Generator[str]:
    """The stand-in for the Gemini API in its own process; its address."""
    command = [sys.executable, "-m", "emonk.testing.gemini", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            yield json.loads(server.stdout.readline())["url"]
        finally:
            server.terminate()


async def measure(url: str, store_url: str) -> dict[str, Any]:
    store = await connect(store_url)
    report: dict[str, Any] = {}
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
        Agent("weather", f"gemini:{MODEL}", instructions=INSTRUCTIONS, tools=[get_weather], store=store) as agent,
    ):

        async def bare() -> object:
            return await bare_turn(session, url)

        async def turn() -> object:
            reply = await agent.process_message(QUESTION)
            assert reply.status == "done", reply
            return reply

        for width, target in TARGETS.items():
            report[f"{width}_at_a_time"] = {**await compare(width, bare, turn), "target": target}
    await store.aclose()
    report["writes_of_a_lone_turn"] = await writes(store_url)
    return report


async def compare(width: int, bare: Work, turn: Work) -> dict[str, float]:
    for work in (bare, turn):
        await run(work, width, WARM_UP)
    pairs = [(await run(bare, width, TURNS), await run(turn, width, TURNS)) for _ in range(PAIRS)]
    return {
        "bare_cpu_ms": round(statistics.median(one for one, _ in pairs), 3),
        "turn_cpu_ms": round(statistics.median(two for _, two in pairs), 3),
        "ratio": round(statistics.median(two / one for one, two in pairs), 2),
    }


async def run(work: Work, width: int, count: int) -> float:
    """CPU milliseconds for one, with so many at a time."""
    gc.collect()
    todo = iter(range(count))

    async def worker() -> None:
        for _ in todo:
            await work()

    before = time.process_time()
    await asyncio.gather(*(worker() for _ in range(width)))
    return (time.process_time() - before) * 1000 / count


class CountingStore(SqliteStore):
    """Counts what would each be a transaction of its own when nothing else is going on."""

    written = 0

    async def accept(self, item: InboxItem, *, owner: Owner | None = None) -> Accepted:
        self.written += 1
        return await super().accept(item, owner=owner)

    async def claim(self, session: SessionKey, owner: Owner) -> Claimed | None:
        self.written += 1
        return await super().claim(session, owner)

    def commit(self, operations: Sequence[Operation], *, fence: Lease, expected_revision: int) -> asyncio.Future[int]:
        self.written += 1
        return super().commit(operations, fence=fence, expected_revision=expected_revision)


async def writes(store_url: str) -> int:
    """Durable writes of one turn that runs alone."""
    store = await connect(store_url)
    assert isinstance(store, SqliteStore)
    store.__class__ = CountingStore
    assert isinstance(store, CountingStore)
    async with Agent("weather", f"gemini:{MODEL}", tools=[get_weather], store=store) as agent:
        await agent.process_message(QUESTION)
    await store.aclose()
    return store.written


async def bare_turn(session: aiohttp.ClientSession, url: str) -> object:
    contents: list[Any] = [{"role": "user", "parts": [{"text": QUESTION}]}]
    body: dict[str, Any] = {
        "contents": contents,
        "systemInstruction": {"parts": [{"text": INSTRUCTIONS}]},
        "tools": [{"functionDeclarations": [DECLARATION]}],
    }
    first = await post(session, url, body)
    content = first["candidates"][0]["content"]
    call = content["parts"][0]["functionCall"]
    result = {"name": call["name"], "response": {"result": await get_weather(**call["args"])}}
    contents += [content, {"role": "user", "parts": [{"functionResponse": result}]}]
    second = await post(session, url, body)
    return second["candidates"][0]["content"]["parts"][0]["text"]


async def post(session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> Any:
    address = f"{url}/v1beta/models/{MODEL}:generateContent"
    async with session.post(address, json=body, headers={"x-goog-api-key": "test"}) as response:
        return await response.json()


DECLARATION = {
    "name": get_weather.name,
    "description": get_weather.description,
    "parametersJsonSchema": get_weather.parameters,
}

if __name__ == "__main__":
    sys.exit(main())
