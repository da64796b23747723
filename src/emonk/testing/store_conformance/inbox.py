"""Messages are accepted once, in order, up to a limit."""

# ruff: noqa: D103 - a check says in its name what it checks

import asyncio

from emonk.records import SessionKey
from emonk.store.protocol import INBOX_LIMIT, Accepted, Store
from emonk.testing.store_conformance.rig import (
    OTHER,
    SESSION,
    Check,
    Rig,
    accept_and_claim,
    answer,
    equal,
    finish,
    holds,
    message,
    present,
)


async def accepted_message_waits_in_the_inbox(rig: Rig) -> None:
    store = await rig.open()
    equal(await store.accept(message("hello")), Accepted("new"), "what became of a message")
    equal(await store.due("clerk"), [SESSION], "due sessions")
    equal(await store.read(SESSION), [], "the log before the turn")
    info = present(await store.session(SESSION), "session of an accepted message")
    equal((info.revision, info.message_count, info.participants), (0, 0, ("ada",)), "the session before the turn")


async def repeated_message_is_kept_once(rig: Rig) -> None:
    store, owner = await rig.open(), rig.owner()
    await store.accept(message("first words", message_id="m"))
    equal(await store.accept(message("other words", message_id="m")), Accepted("repeated"), "a repetition")
    claimed = present(await store.claim(SESSION, owner), "turn")
    equal(claimed.item.event, message("first words", message_id="m").event, "what was kept")
    await finish(store, claimed)
    equal(await store.claim(SESSION, owner), None, "a second turn")


async def repeated_message_gets_the_first_reply(rig: Rig) -> None:
    store, owner = await rig.open(), rig.owner()
    claimed = await accept_and_claim(store, message("hello"), owner)
    equal(await store.reply(SESSION, "hello"), None, "the reply before there is one")
    await finish(store, claimed, text="good day")
    repeated = await store.accept(message("hello"), owner=owner)
    equal(repeated, Accepted("repeated", answer(claimed, "good day")), "a repetition of an answered message")
    equal(await store.reply(SESSION, "hello"), answer(claimed, "good day"), "the stored reply")
    equal(await store.due("clerk"), [], "due sessions")


async def repeated_message_that_waits_can_be_claimed(rig: Rig) -> None:
    store, owner = await rig.open(), rig.owner()
    for text in ("first", "second"):
        await store.accept(message(text))
    equal(await store.accept(message("second"), owner=owner), Accepted("repeated"), "a repetition of the second")
    first = await store.accept(message("first"), owner=owner)
    equal((first.state, first.reply), ("repeated", None), "a repetition of the first")
    equal(present(first.claimed, "turn").item.message_id, "first", "the claimed message")
    equal(await store.accept(message("first"), owner=rig.owner()), Accepted("repeated"), "while the turn runs")


async def message_ids_belong_to_their_session(rig: Rig) -> None:
    store = await rig.open()
    for key in (SESSION, OTHER, SessionKey("baker", "s1")):
        equal((await store.accept(message("same", session=key))).state, "new", f"the message in {key}")


async def accept_with_owner_claims_its_turn(rig: Rig) -> None:
    store, owner = await rig.open(), rig.owner()
    claimed = await accept_and_claim(store, message("hello"), owner)
    equal((claimed.revision, claimed.resumed, claimed.lease.owner), (1, False, owner), "the claimed turn")
    equal(claimed.item.accepted_at, int(rig.clock.time() * 1_000_000), "the time of acceptance")
    equal([entry.event for entry in claimed.events], [message("hello").event], "the events of the turn")
    equal(await store.read(SESSION), list(claimed.events), "the log")


async def accept_with_owner_does_not_overtake(rig: Rig) -> None:
    store, owner = await rig.open(), rig.owner()
    await store.accept(message("first"))
    equal(await store.accept(message("second"), owner=owner), Accepted("new"), "a message behind another")
    first = present(await store.claim(SESSION, owner), "turn")
    equal(await store.accept(message("third"), owner=rig.owner()), Accepted("new"), "a message during a turn")
    await finish(store, first)
    equal(await store.accept(message("fourth"), owner=owner), Accepted("new"), "a message behind two others")
    equal(await _drain(store, rig), ["second", "third", "fourth"], "the order of the others")


async def full_inbox_keeps_nothing(rig: Rig) -> None:
    store, owner = await rig.open(), rig.owner()
    claimed = await accept_and_claim(store, message("running"), owner)
    for number in range(INBOX_LIMIT):
        equal((await store.accept(message(f"m{number}"))).state, "new", f"message {number} of {INBOX_LIMIT}")
    equal(await store.accept(message("late"), owner=owner), Accepted("full"), "one more")
    equal((await store.accept(message("m0"))).state, "repeated", "a repetition while the inbox is full")
    equal((await store.accept(message("elsewhere", session=OTHER))).state, "new", "another session's message")
    await finish(store, claimed)
    await finish(store, present(await store.claim(SESSION, owner), "turn"))
    equal((await store.accept(message("late"))).state, "new", "the refused message once there is room")


async def concurrent_accepts_keep_their_order(rig: Rig) -> None:
    store = await rig.open()
    keys = [SessionKey("clerk", f"busy-{number}") for number in range(12)]

    async def send(key: SessionKey) -> None:
        for number in range(10):
            await store.accept(message(f"m{number}", session=key))

    await asyncio.gather(*(send(key) for key in keys))
    for key in keys:
        equal(await _drain(store, rig, key), [f"m{number}" for number in range(10)], f"the order in {key}")


async def concurrent_repetitions_are_one_message(rig: Rig) -> None:
    stores = [await rig.open(), await rig.open()]
    accepted = await asyncio.gather(*(stores[n % 2].accept(message("same"), owner=rig.owner()) for n in range(20)))
    equal(sum(one.state == "new" for one in accepted), 1, "how many were new")
    holds(sum(one.claimed is not None for one in accepted) == 1, "exactly one owner has the turn")


async def _drain(store: Store, rig: Rig, key: SessionKey = SESSION) -> list[str]:
    """Run all turns; the ids of their messages in order."""
    owner, seen = rig.owner(), list[str]()
    while claimed := await store.claim(key, owner):
        seen.append(claimed.item.message_id)
        await finish(store, claimed)
    return seen


CHECKS: tuple[Check, ...] = (
    accepted_message_waits_in_the_inbox,
    repeated_message_is_kept_once,
    repeated_message_gets_the_first_reply,
    repeated_message_that_waits_can_be_claimed,
    message_ids_belong_to_their_session,
    accept_with_owner_claims_its_turn,
    accept_with_owner_does_not_overtake,
    full_inbox_keeps_nothing,
    concurrent_accepts_keep_their_order,
    concurrent_repetitions_are_one_message,
)
