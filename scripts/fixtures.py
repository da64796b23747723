"""Writes what this version of emonk writes, for the tests that later versions can still read it.

    python scripts/fixtures.py tests/fixtures/schema-5

It uses only what emonk has had from the start, so that it also runs with an earlier one on PYTHONPATH.
"""

import asyncio
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from emonk import events, messages, records
from emonk.store.connect import connect
from emonk.store.owners import enlist, retire
from emonk.store.protocol import Append, Finish, Release

START = 1_764_000_000
USAGE = records.Usage(1200, 30, 1000, 5, 10)
KEY = records.SessionKey("helper", "s1")
ODD = records.SessionKey("helper", 'a/b "c" ü \U0001f412')
WAITING = records.SessionKey("helper", "waiting")


class FixedClock:
    """Stands still, so that the same version writes the same bytes."""

    def monotonic(self) -> float:
        return 1000.0

    def time(self) -> float:
        return float(START)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0 * seconds)


def made(kind: Any, **fields: Any) -> Any:
    """A struct with those of the fields that this version knows."""
    return kind(**{name: value for name, value in fields.items() if name in kind.__struct_fields__})


def said(message_id: str, user_id: str = "ann", *parts: Any, **fields: Any) -> Any:
    """A message of a user."""
    text = messages.Text("Weather in Paris? ☀")
    return made(
        events.UserSaid, message_id=message_id, user_id=user_id, trace_id="0a" * 16, parts=parts or (text,), **fields
    )


def answered(*parts: Any, cost: Decimal | None = Decimal("0.00015")) -> Any:
    """An answer of a model."""
    message = messages.AssistantMessage(parts)
    return made(events.ModelSaid, message=message, model="gemini:g", finish_reason="STOP", usage=USAGE, cost_usd=cost)


def every_event() -> Iterator[Any]:
    """Each kind in each of its shapes, as a log."""
    call = messages.ToolCall(
        "c1", "get_weather", {"city": "Paris", "days": 2, "nested": {"list": [1, None, True, 0.5]}}
    )
    yield said("m1")
    yield answered(messages.Thinking("hm", "proof"), messages.Text("I look.", "proof"), call)
    yield made(events.ToolReturned, result=messages.ToolResult("c1", "get_weather", "sunny"), seconds=0.25)
    yield answered(messages.Text("Sunny."), messages.Blob("image/png", b"\x89PNG\0"), cost=None)
    yield made(events.TurnFinished, message_id="m1", status="done", steps=2, cost_usd=None)
    yield said("m2", "bob", messages.Text("and?"), messages.Blob("text/plain", b"abc"), patient=True, lead=True)
    yield made(events.Summarised, text="Ann asked for the weather.", cutoff=5)
    yield made(events.StepFailed, model="gemini:g", code="rate_limited", message="slow down")
    yield made(
        events.StepFailed, model="gemini:g", code="malformed_output", message="?", usage=USAGE, cost_usd=Decimal(1)
    )
    foreign = messages.Foreign("google", {"executableCode": {"code": "1"}})
    yield answered(foreign, messages.ToolCall("c2", "nope", malformed="{broken", signature="proof"))
    failed = messages.ToolResult("c2", "nope", "there is no tool 'nope'", "unknown_tool")
    yield made(events.ToolReturned, result=failed, correctable=True)
    yield made(events.Interrupted, text="It loo", code="unavailable", message="reset")
    yield made(
        events.TurnFinished,
        message_id="m2",
        status="failed",
        steps=3,
        cost_usd=Decimal("1.00015"),
        reason="interrupted",
        text="It broke off.",
    )
    yield said("m3")
    yield made(events.TurnCancelled, message_id="m3", steps=0, cost_usd=Decimal(0))
    yield said("m4")
    yield events.Opaque("novelty", {"kind": "novelty", "depth": 2})
    yield made(events.TurnFinished, message_id="m4", status="limit", steps=24, cost_usd=Decimal(0), reason="steps")
    if hasattr(events, "Routed"):
        yield from routed()


def routed() -> Iterator[Any]:
    """A turn as it is since the log says who answers."""
    hints = made(events.TaskHints, complexity="complex", context_length=12.5, requires_reasoning=True, steps=3)
    yield said("m5", "ann", hints=hints, purpose="execute")
    yield made(
        events.Routed, role="lead", model="gemini:g", reason="it is complex", complexity="complex", phase="planning"
    )
    yield made(events.TurnFinished, message_id="m5", status="done", steps=0, cost_usd=Decimal(0))


async def talk(store: Any, session: records.SessionKey, log: list[Any]) -> None:
    """Write a log turn by turn, as turns do."""
    owner = enlist()
    while log:
        opened, log = log[0], log[1:]
        end = next((n for n, one in enumerate(log) if isinstance(one, events.UserSaid)), len(log))
        rest, log = log[:end], log[end:]
        item = events.InboxItem(session, opened.message_id, opened.user_id, opened)
        accepted = await store.accept(item, owner=owner)
        fence, revision = accepted.claimed.lease, accepted.claimed.revision
        reply = made(
            records.Reply,
            text="Sunny.",
            status="done",
            session_id=session.session_id,
            message_id=opened.message_id,
            trace_id=opened.trace_id,
            steps=2,
            cost_usd=Decimal("0.0003"),
            usage=USAGE,
        )
        operations = [Append(tuple(rest)), Finish(reply), Release()]
        await store.commit(operations, fence=fence, expected_revision=revision)
    retire(owner)


async def keep_more(store: Any) -> None:
    """What stores keep beside sessions since they do."""
    if not hasattr(store, "put"):
        return
    from emonk.store.memory_protocol import MemoryScope  # noqa: PLC0415  earlier versions have none
    from emonk.store.record_protocol import Put  # noqa: PLC0415 - as above

    await store.put(
        [
            Put(namespace="notes", key="a/b", data=b"\0\xff", expected_version=0, state="new", due_at=START),
            Put(namespace="notes", key="of s1", data=b"{}", expected_version=0, session=KEY),
        ]
    )
    row = made(
        records.UsageRow,
        row_id="row1",
        agent="helper",
        session_id="s1",
        user_id="ann",
        trace_id="0a" * 16,
        purpose="turn",
        provider="gemini",
        model="g",
        state="completed",
        started_at=START * 1_000_000,
        usage=USAGE,
        cost_usd=Decimal("0.000000000001"),
        message_id="m1",
        role="worker",
        lead="gemini:pro",
        price={"input": "0.1"},
        estimate_usd=Decimal("0.25"),
    )
    await store.bill([row])
    await store.remember(MemoryScope("helper", "ann"), "city", "Ann lives in Zürich.")
    await store.create(records.SessionKey("helper", "titled"), user_id="ann", title="Trips", metadata={"team": 7})


async def write(folder: Path) -> None:
    """Events, an export, and a SQLite file."""
    log = list(every_event())
    (folder / "events.jsonl").write_bytes(b"".join(events.encode(event) + b"\n" for event in log))
    file = folder / "sessions.db"
    store: Any = await connect(f"sqlite:///{file}", clock=FixedClock())
    await talk(store, KEY, log)
    await talk(store, ODD, [said("m1"), made(events.TurnCancelled, message_id="m1", steps=0, cost_usd=Decimal(0))])
    await store.accept(events.InboxItem(WAITING, "m1", "ann", said("m1")))
    await keep_more(store)
    wire = importlib.import_module("emonk.gateway.wire")
    lines = [wire.encode(wire.event_json(logged)) for logged in await store.read(KEY)]
    if importlib.util.find_spec("emonk.agent.lines") is not None:  # the first exports had no header
        lines.insert(0, importlib.import_module("emonk.agent.lines").header(await store.session(KEY)))
    (folder / "export.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    await store.aclose()


if __name__ == "__main__":
    target = Path(sys.argv[1]).resolve()
    target.mkdir(parents=True)
    asyncio.run(write(target))
