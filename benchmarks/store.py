"""What a durable commit costs: `python benchmarks/store.py` prints one JSON object.

CPU is that of the whole process, both threads, user and system; a PostgreSQL server's own is not in it. There are
figures of PostgreSQL where its programs are.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from emonk.events import InboxItem, Summarised, ToolReturned, UserSaid
from emonk.ids import trace_id, uuid7
from emonk.messages import Text, ToolResult
from emonk.records import Lease, Owner, Reply, SessionKey
from emonk.store.connect import connect
from emonk.store.owners import enlist
from emonk.store.protocol import Append, Claimed, Finish, Operation, Release, Store
from emonk.testing.postgres import Cluster, programs

LONE, SESSIONS, APPENDS, SHORT, LONG = 1000, 100, 40, 10, 10_000
EVENT = ToolReturned(result=ToolResult("call-1", "get_weather", "18 degrees, light rain. " * 10), seconds=0.1)


async def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = await connect(f"sqlite:///{Path(directory) / 'bench.db'}")
        report = await measured(store, "sqlite")
    if programs() is not None:
        with Cluster(durable=True) as cluster:
            report |= await measured(await connect(cluster.new_database()), "postgres")
    print(json.dumps(report, indent=2))


async def measured(store: Store, backend: str) -> dict[str, float]:
    owner = enlist()
    figures = {
        "cpu_ms_per_lone_append": round(await lone(store, owner), 3),
        "cpu_ms_per_turn_of_4_commits": round(await turns(store, owner), 3),
        **await crowd(store, owner),
        **await growth(store, owner),
    }
    await store.aclose()
    return {f"{backend}_{name}": figure for name, figure in figures.items()}


async def lone(store: Store, owner: Owner) -> float:
    lease, revision = await begin(store, owner, "lone")
    started = time.process_time()
    for _ in range(LONE):
        revision = await store.commit((Append((EVENT,)),), fence=lease, expected_revision=revision)
    return (time.process_time() - started) * 1000 / LONE


async def turns(store: Store, owner: Owner) -> float:
    """Accepted and claimed, the model's call, the tool's result, the reply."""
    await turn(store, owner, "turns")
    started = time.process_time()
    for number in range(LONE // 4):
        await turn(store, owner, f"turns-{number % 50}")
    return (time.process_time() - started) * 1000 / (LONE // 4)


async def turn(store: Store, owner: Owner, name: str) -> None:
    claimed = await accept(store, owner, name)
    lease, revision = claimed.lease, claimed.revision
    for _ in range(2):
        revision = await store.commit((Append((EVENT,)),), fence=lease, expected_revision=revision)
    operations = (Append((EVENT,)), Finish(answer(claimed)), Release())
    await store.commit(operations, fence=lease, expected_revision=revision)


def answer(claimed: Claimed) -> Reply:
    item = claimed.item
    return Reply(text="18", status="done", session_id=item.session.session_id, message_id=item.message_id, trace_id="")


async def crowd(store: Store, owner: Owner) -> dict[str, float]:
    held = [await begin(store, owner, f"crowd-{number}") for number in range(SESSIONS)]

    async def work(lease: Lease, revision: int) -> None:
        for _ in range(APPENDS):
            revision = await store.commit((Append((EVENT,)),), fence=lease, expected_revision=revision)

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(work(lease, revision) for lease, revision in held))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {
        "appends_per_second_100_sessions": round(SESSIONS * APPENDS / wall),
        "cpu_ms_per_append_100_sessions": round(cpu * 1000 / (SESSIONS * APPENDS), 3),
    }


async def growth(store: Store, owner: Owner) -> dict[str, float]:
    """Both lengths in turns, so that noise hits both alike."""
    short, long = await grown(store, owner, "short", SHORT), await grown(store, owner, "long", LONG)
    appends = await paired(appending(store, *short), appending(store, *long))
    await grown(store, owner, "short-turns", SHORT, Release())
    await grown(store, owner, "long-turns", LONG, Release())
    opens = await paired(lambda: opening(store, owner, "short-turns"), lambda: opening(store, owner, "long-turns"))
    return {"append_10000_to_10": appends, "open_10000_to_10": opens}


async def grown(store: Store, owner: Owner, name: str, length: int, *then: Release) -> tuple[Lease, int]:
    """A session of `length` events that a summary covers."""
    claimed = await accept(store, owner, name)
    operations: list[Operation] = [Append((EVENT,) * length), Append((Summarised(text="rain", cutoff=length),))]
    if then:
        operations.append(Finish(answer(claimed)))
    revision = await store.commit((*operations, *then), fence=claimed.lease, expected_revision=claimed.revision)
    return claimed.lease, revision


def appending(store: Store, lease: Lease, revision: int) -> Callable[[], Awaitable[object]]:
    state = revision

    async def append() -> None:
        nonlocal state
        state = await store.commit((Append((EVENT,)),), fence=lease, expected_revision=state)

    return append


async def opening(store: Store, owner: Owner, name: str) -> None:
    """Accepted, claimed with what the turn starts from, and closed at once."""
    claimed = await accept(store, owner, name)
    operations = (Finish(answer(claimed)), Release())
    await store.commit(operations, fence=claimed.lease, expected_revision=claimed.revision)


async def paired(one: Callable[[], Awaitable[object]], other: Callable[[], Awaitable[object]]) -> float:
    ratios: list[float] = []
    for _ in range(15):
        costs: list[float] = []
        for run in (one, other):
            started = time.process_time()
            for _ in range(20):
                await run()
            costs.append(time.process_time() - started)
        ratios.append(costs[1] / costs[0])
    return round(statistics.median(ratios), 2)


async def begin(store: Store, owner: Owner, name: str) -> tuple[Lease, int]:
    claimed = await accept(store, owner, name)
    return claimed.lease, claimed.revision


async def accept(store: Store, owner: Owner, name: str) -> Claimed:
    event = UserSaid(message_id=uuid7(), user_id="u1", trace_id=trace_id(), parts=(Text("Weather in Paris?"),))
    item = InboxItem(SessionKey("bench", name), event.message_id, "u1", event)
    accepted = await store.accept(item, owner=owner)
    assert accepted.claimed is not None
    return accepted.claimed


if __name__ == "__main__":
    asyncio.run(main())
