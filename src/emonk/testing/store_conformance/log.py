"""The log keeps what it is given, in its place."""

# ruff: noqa: D103 - a check says in its name what it checks

import asyncio
from decimal import Decimal

from emonk.events import (
    Event,
    Interrupted,
    ModelSaid,
    Opaque,
    Routed,
    StepFailed,
    Summarised,
    ToolReturned,
    TurnCancelled,
    TurnFinished,
    encode,
)
from emonk.messages import Blob, Foreign, Text, ToolCall, ToolResult, assistant
from emonk.records import SessionKey, Usage
from emonk.store.protocol import Append, Release
from emonk.testing.store_conformance.rig import (
    SESSION,
    Check,
    Rig,
    accept_and_claim,
    equal,
    finish,
    message,
    note,
    present,
)

_CALL = ToolCall("c1", "look", {"where": "Zürich", "depth": [1, 2.5, None]}, signature="c2ln")
_MESSAGE = assistant(
    (Text("🜁 \0 \n"), Blob("image/png", b"\x00\xff"), Foreign("gemini", {"x": 1})), tool_calls=(_CALL,)
)
EVERY_KIND: tuple[Event, ...] = (
    ModelSaid(message=_MESSAGE, model="m", finish_reason="stop", usage=Usage(3, 2), cost_usd=Decimal("0.000123")),
    ToolReturned(result=ToolResult("c1", "look", "grey", error="unavailable"), seconds=0.25),
    Interrupted(text="half a", code="unavailable", message="gone"),
    StepFailed(model="m", code="rate_limited", message="slow down"),
    Routed(role="worker", model="m", reason="no rule makes it harder", complexity="simple"),
    TurnFinished(message_id="m", status="limit", steps=3, cost_usd=None, reason="steps"),
    TurnCancelled(message_id="m", steps=1, cost_usd=Decimal(0)),
    Opaque("from_a_later_version", {"kind": "from_a_later_version", "nested": {"ünï": [1, 2.5, None, True, {}]}}),
)


async def appended_events_are_numbered_and_dated(rig: Rig) -> None:
    store = await rig.open()
    claimed = await accept_and_claim(store, message("hello"), rig.owner())
    await rig.clock.advance(2)
    write = (Append((note("a"), note("b"))), Append((note("c"),)))
    equal(await store.commit(write, fence=claimed.lease, expected_revision=1), 4, "the new revision")
    logged = await store.read(SESSION)
    equal([entry.revision for entry in logged], [1, 2, 3, 4], "revisions")
    equal([entry.at - logged[0].at for entry in logged], [0, *[2_000_000] * 3], "times, in microseconds")
    equal([entry.event for entry in logged[1:]], [*write[0].events, *write[1].events], "events")


async def every_kind_of_event_is_kept_as_it_is(rig: Rig) -> None:
    store, owner = await rig.open(), rig.owner()
    claimed = await accept_and_claim(store, message("hello"), owner)
    await finish(store, claimed, *EVERY_KIND)
    kept = [entry.event for entry in await store.read(SESSION, after=1)]
    equal(kept, list(EVERY_KIND), "events")
    equal([encode(event) for event in kept], [encode(event) for event in EVERY_KIND], "events, byte for byte")
    reopened = await accept_and_claim(await rig.open(), message("more"), owner)
    equal([entry.event for entry in reopened.events[1:-1]], list(EVERY_KIND), "events of the next turn")


async def log_is_read_in_parts(rig: Rig) -> None:
    store = await rig.open()
    claimed = await accept_and_claim(store, message("hello"), rig.owner())
    await finish(store, claimed, *(note(str(number)) for number in range(9)))
    whole = await store.read(SESSION)
    equal(await store.read(SESSION, after=7), whole[7:], "what follows revision 7")
    equal(await store.read(SESSION, after=2, limit=3), whole[2:5], "three after revision 2")
    equal(await store.read(SESSION, after=10), [], "what follows the end")
    equal(await store.read(SESSION, limit=0), [], "none at all")
    equal(await store.read(SessionKey("clerk", "unknown")), [], "an unknown session")


async def turn_starts_from_the_latest_summary(rig: Rig) -> None:
    store, owner = await rig.open(), rig.owner()
    claimed = await accept_and_claim(store, message("one"), owner)
    await finish(store, claimed, note("a"), note("b"), Summarised(text="one, a", cutoff=2), note("c"))
    claimed = await accept_and_claim(store, message("two"), owner)
    equal([entry.revision for entry in claimed.events], [3, 4, 5, 6], "revisions after the first summary's cutoff")
    await finish(store, claimed, note("d"), Summarised(text="all but d", cutoff=6))
    claimed = await accept_and_claim(store, message("three"), owner)
    equal([entry.revision for entry in claimed.events], [7, 8, 9], "revisions after the second summary's cutoff")
    equal(claimed.events[1].event, Summarised(text="all but d", cutoff=6), "the latest summary is among them")
    equal(len(await store.read(SESSION)), 9, "the whole log is still there")


async def summary_may_cover_the_running_turn(rig: Rig) -> None:
    store = await rig.open()
    claimed = await accept_and_claim(store, message("hello"), rig.owner())
    write = (Append((note("a"), Summarised(text="hello, a", cutoff=2))), Release())
    await store.commit(write, fence=claimed.lease, expected_revision=1)
    again = present(await store.claim(SESSION, rig.owner()), "turn")
    equal((again.resumed, again.item), (True, claimed.item), "the resumed turn and its message")
    equal([entry.revision for entry in again.events], [3], "revisions after the cutoff")


async def database_is_the_same_for_all_who_hold_it(rig: Rig) -> None:
    one, other = await rig.open(), await rig.open()
    claimed = await accept_and_claim(one, message("hello"), rig.owner())
    equal(await other.read(SESSION), list(claimed.events), "the log seen by the other")
    await one.aclose()
    await finish(other, claimed, note("a"))
    equal(len(await (await rig.open()).read(SESSION)), 2, "the log seen by one more")


async def closed_database_keeps_everything(rig: Rig) -> None:
    store, owner = await rig.open(), rig.owner()
    claimed = await accept_and_claim(store, message("hello"), owner)
    await finish(store, claimed, note("a"))
    await store.accept(message("waiting"))
    kept = await store.read(SESSION), await store.session(SESSION)
    await store.aclose()
    store = await rig.open()
    equal((await store.read(SESSION), await store.session(SESSION)), kept, "the log and the session")
    equal(present(await store.claim(SESSION, owner), "turn").item.message_id, "waiting", "the waiting message")


async def many_sessions_append_at_once(rig: Rig) -> None:
    store = await rig.open()
    keys = [SessionKey("clerk", f"n{number}") for number in range(20)]

    async def work(key: SessionKey) -> None:
        claimed = await accept_and_claim(store, message("hello", session=key), rig.owner())
        revision = claimed.revision
        for number in range(5):
            write = (Append((note(f"{key.session_id}-{number}"),)),)
            revision = await store.commit(write, fence=claimed.lease, expected_revision=revision)

    await asyncio.gather(*(work(key) for key in keys))
    for key in keys:
        events = [entry.event for entry in await store.read(key, after=1)]
        contents = [event.result.content for event in events if isinstance(event, ToolReturned)]
        equal(contents, [f"{key.session_id}-{number}" for number in range(5)], f"the log of {key}")


CHECKS: tuple[Check, ...] = (
    appended_events_are_numbered_and_dated,
    every_kind_of_event_is_kept_as_it_is,
    log_is_read_in_parts,
    turn_starts_from_the_latest_summary,
    summary_may_cover_the_running_turn,
    database_is_the_same_for_all_who_hold_it,
    closed_database_keeps_everything,
    many_sessions_append_at_once,
)
