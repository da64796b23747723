"""What a turn with one tool call costs in CPU: `python benchmarks/turn.py`.

The same two model calls are made bare with aiohttp (`json=`, `.json()`) and as a turn of an agent with its durable
log, in turn, against a local stand-in in a process of its own. The figure to look at is the median of the pairs' ratios.
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
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp

from emonk import Agent, tool
from emonk.store.connect import connect
from emonk.store.protocol import Store

TURNS = int(os.environ.get("EMONK_BENCH_TURNS", "300"))
PAIRS = 7
MODEL = "gemini-2.0-flash"
QUESTION = "What is the weather in Paris?"
INSTRUCTIONS = "You tell the weather."

Work = Callable[[int], Awaitable[object]]


@tool(risk="low", idempotent=True)
async def get_weather(city: str) -> str:
    """The weather of a city.

    Args:
        city: its name.
    """
    return f"Sunny in {city}, 22 degrees."


async def main() -> None:
    command = [sys.executable, "-m", "emonk.testing.gemini", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server, tempfile.TemporaryDirectory() as directory:
        assert server.stdout is not None
        url = json.loads(server.stdout.readline())["url"]
        try:
            print(json.dumps(await measure(url, Path(directory)), indent=2))
        finally:
            server.terminate()


async def measure(url: str, directory: Path) -> dict[str, object]:
    os.environ |= {"GEMINI_API_KEY": "test", "EMONK_GEMINI_BASE_URL": url}
    store = await connect(f"sqlite:///{directory / 'turns.db'}")
    report: dict[str, object] = {}
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
        Agent("weather", f"gemini:{MODEL}", instructions=INSTRUCTIONS, tools=[get_weather], store=store) as agent,
    ):

        async def bare(_: int) -> object:
            return await bare_turn(session, url)

        async def durable(_: int) -> object:
            reply = await agent.process_message(QUESTION)
            assert reply.status == "done", reply
            return reply

        for width, name in ((1, "one_at_a_time"), (100, "100_at_a_time")):
            report[name] = await compare(width, bare, durable)
        report["commits_per_turn"] = await commits(agent, store)
    await store.aclose()
    return report


async def compare(width: int, bare: Work, durable: Work) -> dict[str, float]:
    await run(bare, width, width * 2)
    await run(durable, width, width * 2)
    pairs = [(await run(bare, width, TURNS), await run(durable, width, TURNS)) for _ in range(PAIRS)]
    return {
        "bare_cpu_ms": round(statistics.median(one for one, _ in pairs), 3),
        "turn_cpu_ms": round(statistics.median(two for _, two in pairs), 3),
        "ratio": round(statistics.median(two / one for one, two in pairs), 2),
    }


async def run(work: Work, width: int, count: int) -> float:
    """CPU milliseconds per turn."""
    gc.collect()
    todo = iter(range(count))

    async def worker() -> None:
        for number in todo:
            await work(number)

    before = time.process_time()
    await asyncio.gather(*(worker() for _ in range(width)))
    return (time.process_time() - before) * 1000 / count


async def commits(agent: Agent, store: Store) -> int:
    """Durable transactions of one turn that runs alone."""
    writer: Any = store
    before = writer.transactions
    await agent.process_message(QUESTION)
    return writer.transactions - before


async def bare_turn(session: aiohttp.ClientSession, url: str) -> object:
    contents: list[dict[str, object]] = [{"role": "user", "parts": [{"text": QUESTION}]}]
    body = {
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


async def post(session: aiohttp.ClientSession, url: str, body: dict[str, object]) -> Any:
    address = f"{url}/v1beta/models/{MODEL}:generateContent"
    async with session.post(address, json=body, headers={"x-goog-api-key": "test"}) as response:
        return await response.json()


DECLARATION = {
    "name": get_weather.name,
    "description": get_weather.description,
    "parametersJsonSchema": get_weather.parameters,
}

if __name__ == "__main__":
    asyncio.run(main())
