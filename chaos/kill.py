"""Kills a real process at its step boundaries: `python -m chaos.kill [--seeds N] [--store sqlite|postgres]`.

Each seed is one story: a process that serves three sessions ends itself with SIGKILL at one boundary between two steps,
sometimes its successor does so too, and the next one goes on and is sent every message again, as a client would.
Then the log, the remote's own log, the ledger and the answers must agree. It prints one JSON object, and exits with 1
where a promise was broken.
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
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import Any

import msgspec

from chaos import ROOT
from chaos.errands import Errand, errands, next_answer
from chaos.judge import Told, judge
from chaos.remote import Remote
from chaos.tools import NAMES
from emonk.store.connect import connect
from emonk.store.protocol import LEASE_SECONDS
from emonk.testing.gemini import GeminiServer
from emonk.testing.postgres import Cluster

AT_ONCE = 2
SAME_HOST_SECONDS = 2.0
PATIENCE_SECONDS = 90.0


class Story(msgspec.Struct):
    """What became of a seed."""

    seed: int
    killed_at: list[str]
    resumed_after: float
    broken: list[str]


class Victim:
    """A process of `chaos.victim`, and what it said."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.accepted: set[str] = set()
        self.replies: dict[str, tuple[str, str]] = {}
        self.killed_at = ""
        self.passed = 0

    def send(self, messages: Sequence[Errand]) -> None:
        """Hand it messages, and end its input."""
        pipe = self._process.stdin
        assert pipe is not None  # noqa: S101 - it was opened with one
        pipe.writelines(msgspec.json.encode(message) + b"\n" for message in messages)
        pipe.write_eof()

    async def until(self, wanted: str) -> bool:
        """Read until it says the word; False when it ended before."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while line := await self._line():
                word, _, rest = line.rstrip("\n").partition(" ")
                self._take(word, rest)
                if word == wanted:
                    return True
            await self._process.wait()
        return False

    async def _line(self) -> str:
        pipe = self._process.stdout
        assert pipe is not None  # noqa: S101 - it was opened with one
        line = (await pipe.readline()).decode()
        return line if line.endswith("\n") else ""

    def _take(self, word: str, rest: str) -> None:
        match word:
            case "accepted":
                self.accepted.add(rest)
            case "reply":
                message_id, status, text = rest.split(" ", 2)
                self.replies[message_id] = (status, text)
            case "killed":
                self.killed_at = rest
            case "passed":
                self.passed = int(rest)
            case _:
                return


class Stage:
    """The world around the processes: a database, the stand-in for the model, and the remote."""

    def __init__(self, url: str, model: GeminiServer, remote: Remote, *, other_host: bool = False) -> None:
        self.url = url
        self.model = model
        self.remote = remote
        self._other_host = other_host

    @asynccontextmanager
    async def victim(self, agent: str, kill_at: int | None, *, elsewhere: bool = False) -> AsyncGenerator[Victim]:
        """A process; `elsewhere` gives it another host's name, by which its lease can only expire."""
        command = [sys.executable, "-m", "chaos.victim", self.url, agent, self.remote.base_url]
        command += [] if kill_at is None else [str(kill_at)]
        if elsewhere:
            command = ["unshare", "--uts", "sh", "-c", 'hostname elsewhere && exec "$@"', "sh", *command]
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "GEMINI_API_KEY": "test", "EMONK_GEMINI_BASE_URL": self.model.base_url},
            cwd=ROOT,
        )
        try:
            yield Victim(process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def boundaries(self, run: str) -> int:
        """How many a process passes that nobody kills."""
        messages = errands(Random(0), NAMES, run=run)
        async with self.victim(run, None) as victim:
            victim.send(messages)
            await victim.until("passed")
        return victim.passed

    async def story(self, seed: int, kill_at: int, *, elsewhere: bool = False) -> Story:
        """Play a seed, whose first process ends itself at a boundary."""
        random, run = Random(seed), f"k{seed}{'e' if elsewhere else ''}"
        messages, accepted, killed = errands(random, NAMES, run=run), set[str](), list[str]()
        kills = [kill_at, *([random.randrange(40)] if random.random() < 0.3 else [])]
        for boundary in kills:
            async with self.victim(run, boundary, elsewhere=elsewhere) as victim:
                victim.send(messages)
                await victim.until("passed")
            accepted |= victim.accepted
            killed += [victim.killed_at] if victim.killed_at else []
        started = time.monotonic()
        async with self.victim(run, None) as victim:
            settled = await victim.until("settled")
            resumed_after = time.monotonic() - started
            victim.send(messages)
            finished = await victim.until("passed")
        broken = [] if settled and finished else ["the last process did not come to its end"]
        store = await connect(self.url)
        broken += await judge(store, run, Told(messages, accepted, victim.replies, self.remote.done))
        await store.aclose()
        limit = LEASE_SECONDS + SAME_HOST_SECONDS if elsewhere else SAME_HOST_SECONDS
        if resumed_after > limit and os.environ.get("EMONK_CHAOS_TIMES") != "ignore":
            broken.append(f"resumed only after {resumed_after:.2f} s")
        return Story(seed, killed, resumed_after, broken)


async def play(stage: Stage, seeds: Sequence[int], *, elsewhere: bool = False) -> list[Story]:
    """Play seeds, a few at a time; those whose leases have to expire all at once."""
    boundaries = await stage.boundaries("dry" + ("e" if elsewhere else ""))
    places = asyncio.Semaphore(len(seeds) if elsewhere else AT_ONCE)

    async def one(place: int, seed: int) -> Story:
        async with places:
            return await stage.story(seed, place * boundaries // len(seeds), elsewhere=elsewhere)

    return await asyncio.gather(*(one(place, seed) for place, seed in enumerate(seeds)))


def report(stories: Sequence[Story]) -> dict[str, Any]:
    """What the stories come to."""
    seconds = sorted(story.resumed_after for story in stories)
    return {
        "seeds": len(stories),
        "kills": sum(len(story.killed_at) for story in stories),
        "resumed_after_s": {"median": round(statistics.median(seconds), 2), "longest": round(seconds[-1], 2)},
        "killed_at": dict(sorted(Counter(place for story in stories for place in story.killed_at).items())),
        "broken": {story.seed: story.broken for story in stories if story.broken},
    }


async def run(store: str, seeds: int, elsewhere: int) -> int:
    """Play all seeds on a new database; the exit code."""
    async with AsyncExitStack() as stack:
        if store == "postgres":
            url = stack.enter_context(Cluster(durable=True)).new_database()
        else:
            url = f"sqlite:///{stack.enter_context(tempfile.TemporaryDirectory())}/chaos.db"
        model = await stack.enter_async_context(GeminiServer(next_answer))
        remote = await stack.enter_async_context(Remote())
        stage = Stage(url, model, remote)
        figures = {"store": store, **report(await play(stage, range(seeds)))}
        broken = bool(figures["broken"])
        if elsewhere:
            figures["on_another_host"] = report(await play(stage, range(elsewhere), elsewhere=True))
            broken = broken or bool(figures["on_another_host"]["broken"])
        if model.refused:
            figures["refused"] = model.refused[:3]
        print(json.dumps(figures, indent=2))
        return int(broken or bool(model.refused))


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m chaos.kill", description="Kills a real process at its step boundaries."
    )
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--elsewhere", type=int, default=0, help="seeds on another host's name (needs root)")
    given = parser.parse_args(arguments)
    return asyncio.run(run(given.store, given.seeds, given.elsewhere))


if __name__ == "__main__":
    sys.exit(main())
