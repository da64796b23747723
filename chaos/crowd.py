"""Many processes on the same sessions: `python -m chaos.crowd [--store sqlite|postgres] [--seconds N]`.

Each process sends to every session, three messages at once, and runs whatever turn it gets. Every reply must answer its
own message or say `busy`, the messages of a process keep their order, and turns never mix. It prints one JSON object,
and exits with 1 where that did not hold.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import msgspec

from chaos import ROOT
from chaos.errands import Errand, next_answer
from emonk import Agent, tool
from emonk.events import Logged, TurnCancelled, TurnFinished, UserSaid
from emonk.records import SessionKey
from emonk.store.connect import connect
from emonk.testing.gemini import GeminiServer
from emonk.testing.postgres import Cluster
from emonk.turns import Pump

AGENT = "crowd"
BURST = 3
BUSY_SECONDS = 0.2
"""A client that is told so waits before it sends the next."""


class Seen(msgspec.Struct):
    """What one process sent and was told, in order: message id, status, text, seconds."""

    replies: list[tuple[str, str, str, float]]
    errors: list[str]


@tool(risk="low", idempotent=True)
async def look(word: str) -> str:
    """Look something up."""
    return f"{word} was found"


async def take_part(url: str, process: int, sessions: int, seconds: float) -> Seen:
    """What one process of the crowd does."""
    seen = Seen([], [])
    agent = Agent(AGENT, "gemini:gemini-2.0-flash", tools=[look], store=url, unpriced="allow")

    async def send(session: int, number: int) -> None:
        name = f"s{session}.p{process}.{number}"
        errand = Errand(f"s{session}", name, ((("look", name),),))
        started = time.monotonic()
        try:
            reply = await agent.process_message(errand.text, session_id=errand.session_id, message_id=name)
        except Exception as error:  # noqa: BLE001 - each is a failure of the run, and told as one
            seen.errors.append(f"{name}: {error!r}")
        else:
            seen.replies.append((name, reply.status, reply.text, time.monotonic() - started))
            if reply.status == "busy":
                await asyncio.sleep(BUSY_SECONDS)

    async def converse(session: int, until: float) -> None:
        number = 0
        while time.monotonic() < until:
            await asyncio.gather(*(send(session, number + place) for place in range(BURST)))
            number += BURST

    async with agent, Pump([agent]):
        until = time.monotonic() + seconds
        await asyncio.gather(*(converse(session, until) for session in range(sessions)))
    return seen


async def run(url: str, processes: int, sessions: int, seconds: float) -> dict[str, Any]:
    """Start the crowd, and look at what it left."""
    async with GeminiServer(next_answer) as model:
        environment = {**os.environ, "GEMINI_API_KEY": "test", "EMONK_GEMINI_BASE_URL": model.base_url}
        command = [sys.executable, "-m", "chaos.crowd", "--take-part"]
        given = [url, str(sessions), str(seconds)]
        started = [
            await asyncio.create_subprocess_exec(
                *command,
                str(number),
                *given,
                stdout=asyncio.subprocess.PIPE,
                env=environment,
                cwd=ROOT,
            )
            for number in range(processes)
        ]
        said = await asyncio.gather(*(process.communicate() for process in started))
        seen = [msgspec.json.decode(output, type=Seen) for output, _ in said]
    store = await connect(url)
    logs = [await store.read(SessionKey(AGENT, f"s{session}")) for session in range(sessions)]
    await store.aclose()
    return _report(seen, logs, model.refused)


def _report(seen: Sequence[Seen], logs: Sequence[Sequence[Logged]], refused: Sequence[str]) -> dict[str, Any]:
    replies = [reply for one in seen for reply in one.replies]
    waits = sorted(seconds for _, status, _, seconds in replies if status == "done") or [0.0]
    broken = [error for one in seen for error in one.errors]
    broken += [
        f"{name} was answered {status}: {text!r}" for name, status, text, _ in replies if _wrong(name, status, text)
    ]
    broken += [problem for number, log in enumerate(logs) for problem in _mixed(number, log, replies)]
    return {
        "replies": dict(Counter(status for _, status, _, _ in replies)),
        "wait_s": {"median": round(statistics.median(waits), 3), "longest": round(waits[-1], 3)},
        "refused": list(refused[:3]),
        "broken": broken[:20],
        "broken_count": len(broken),
    }


def _wrong(name: str, status: str, text: str) -> bool:
    return not ((status == "done" and text == f"done {name}") or status == "busy")


def _mixed(number: int, log: Sequence[Logged], replies: Sequence[tuple[str, str, str, float]]) -> Iterator[str]:
    """Turns that overlap, messages out of order, and those that were answered but are not there, or are there twice."""
    running, begun = "", list[str]()
    for event in (logged.event for logged in log):
        match event:
            case UserSaid(message_id=message_id):
                if running:
                    yield f"s{number}: {message_id} began while {running} was running"
                running = message_id
                begun.append(message_id)
            case TurnFinished(message_id=message_id) | TurnCancelled(message_id=message_id):
                if message_id != running:
                    yield f"s{number}: {message_id} ended while {running or 'nothing'} was running"
                running = ""
            case _:
                continue
    answered = {name for name, status, _, _ in replies if status == "done" and name.startswith(f"s{number}.")}
    if sorted(begun) != sorted(answered):
        yield f"s{number}: {len(begun)} turns for {len(answered)} answered messages"
    for process in {name.split(".")[1] for name in begun}:
        mine = [int(name.split(".")[2]) for name in begun if name.split(".")[1] == process]
        if mine != sorted(mine):
            yield f"s{number}: the messages of {process} came in the order {mine[:20]}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m chaos.crowd", description="Many processes on the same sessions.")
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument(
        "--take-part", nargs=4, metavar=("NUMBER", "URL", "SESSIONS", "SECONDS"), help="one process of it"
    )
    given = parser.parse_args(arguments)
    if given.take_part:
        number, url, sessions, seconds = given.take_part
        seen = asyncio.run(take_part(url, int(number), int(sessions), float(seconds)))
        sys.stdout.buffer.write(msgspec.json.encode(seen))
        return 0
    with ExitStack() as stack:
        if given.store == "postgres":
            url = stack.enter_context(Cluster(durable=True)).new_database()
        else:
            url = f"sqlite:///{stack.enter_context(tempfile.TemporaryDirectory())}/crowd.db"
        report = asyncio.run(run(url, given.processes, given.sessions, given.seconds))
    print(json.dumps({"store": given.store, **report}, indent=2))
    return int(bool(report["broken_count"] or report["refused"]))


if __name__ == "__main__":
    sys.exit(main())
