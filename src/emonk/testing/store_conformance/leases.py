"""One writer at a time, and a stale one is refused."""

# ruff: noqa: D103 - a check says in its name what it checks

import asyncio

import msgspec

from emonk.records import Owner, SessionKey
from emonk.store.owners import retire, this_process
from emonk.store.protocol import LEASE_SECONDS, Append, Claimed, Finish, Release, Store
from emonk.testing.store_conformance.rig import (
    OTHER,
    SESSION,
    Check,
    Rig,
    accept_and_claim,
    answer,
    equal,
    finish,
    message,
    note,
    present,
    stale,
)


async def nothing_to_claim_gives_none(rig: Rig) -> None:
    store, owner = await rig.open(), rig.owner()
    equal(await store.claim(SESSION, owner), None, "a claim of an unknown session")
    await finish(store, await accept_and_claim(store, message("hello"), owner))
    equal(await store.claim(SESSION, owner), None, "a claim of a session where nothing waits")


async def live_owner_keeps_its_lease(rig: Rig) -> None:
    store, owner = await rig.open(), rig.owner()
    await accept_and_claim(store, message("hello"), owner)
    await store.accept(message("more"))
    equal(await store.claim(SESSION, rig.owner()), None, "a claim by another")
    equal(await store.claim(SESSION, owner), None, "a second claim by the same")
    equal(await store.due("clerk"), [], "due sessions")


async def exactly_one_of_many_claims(rig: Rig) -> None:
    stores = [await rig.open(), await rig.open()]
    await stores[0].accept(message("hello"))
    claims = await asyncio.gather(*(stores[number % 2].claim(SESSION, rig.owner()) for number in range(20)))
    equal(sum(claim is not None for claim in claims), 1, "how many have the turn")


async def released_lease_is_granted_with_a_newer_fence(rig: Rig) -> None:
    store, owner = await rig.open(), rig.owner()
    first = await accept_and_claim(store, message("one"), owner)
    revision = await finish(store, first)
    await stale(store.commit((), fence=first.lease, expected_revision=revision), "a commit after the release")
    await stale(store.renew(first.lease), "a renewal after the release")
    second = await accept_and_claim(store, message("two"), owner)
    equal(second.lease.fence > first.lease.fence, True, "the fence grows")


async def unfinished_turn_is_resumed(rig: Rig) -> None:
    store, owner = await rig.open(), rig.owner()
    first = await accept_and_claim(store, message("hello"), owner)
    await store.accept(message("later"))
    operations = (Append((note("half"),)), Release())
    await store.commit(operations, fence=first.lease, expected_revision=first.revision)
    again = present(await store.claim(SESSION, rig.owner()), "turn")
    equal((again.resumed, again.item, again.revision), (True, first.item, 2), "the resumed turn")
    equal(list(again.events), await store.read(SESSION), "its events: nothing twice")
    await finish(store, again)
    info = present(await store.session(SESSION), "session")
    equal(info.message_count, 1, "a resumed message counts once")
    equal(present(await store.claim(SESSION, owner), "turn").item.message_id, "later", "the next message")


async def dead_owner_is_replaced_at_once(rig: Rig) -> None:
    store, owner = await rig.open(), rig.owner()
    first = await accept_and_claim(store, message("hello"), owner)
    retire(owner)
    equal(await store.due("clerk"), [SESSION], "due sessions")
    again = await accept_and_claim(store, message("hello"), rig.owner())
    equal((again.resumed, again.lease.fence > first.lease.fence), (True, True), "the turn of a retired owner")
    earlier: Owner = msgspec.structs.replace(this_process(), boot="before the machine started", token="t")  # noqa: S106 - names a holder, no secret
    await accept_and_claim(store, message("hello", session=OTHER), earlier)
    equal(present(await store.claim(OTHER, rig.owner()), "turn of an earlier boot").resumed, True, "resumed")


async def lease_expires_unless_renewed(rig: Rig) -> None:
    store, owner = await rig.open(), rig.owner()
    elsewhere = msgspec.structs.replace(this_process(), host="elsewhere", token="t")  # noqa: S106 - names a holder, no secret
    claimed = await accept_and_claim(store, message("hello"), elsewhere)
    await rig.clock.advance(LEASE_SECONDS - 1)
    equal(await store.claim(SESSION, owner), None, "a claim before the expiry")
    lease = await store.renew(claimed.lease)
    equal(lease.expires - claimed.lease.expires, int(LEASE_SECONDS - 1) * 1_000_000, "the renewal, in microseconds")
    await rig.clock.advance(LEASE_SECONDS - 1)
    equal(await store.claim(SESSION, owner), None, "a claim before the renewed expiry")
    await rig.clock.advance(1)
    equal(await store.due("clerk"), [SESSION], "due sessions")
    equal(present(await store.claim(SESSION, owner), "turn").resumed, True, "the turn after the expiry")


async def late_owner_may_go_on_until_it_is_replaced(rig: Rig) -> None:
    store = await rig.open()
    claimed = await accept_and_claim(store, message("hello"), rig.owner())
    await rig.clock.advance(LEASE_SECONDS * 2)
    lease = await store.renew(claimed.lease)
    equal(await store.commit((Append((note("late"),)),), fence=lease, expected_revision=1), 2, "the new revision")


async def stale_writer_is_refused(rig: Rig) -> None:
    store, owner = await rig.open(), rig.owner()
    old = await accept_and_claim(store, message("hello"), owner)
    retire(owner)
    new = present(await store.claim(SESSION, rig.owner()), "turn")
    write = (Append((note("stale"),)),)
    await stale(store.commit(write, fence=old.lease, expected_revision=1), "a commit of the old owner")
    await stale(store.commit((Release(),), fence=old.lease, expected_revision=1), "a release by the old owner")
    await stale(store.renew(old.lease), "a renewal by the old owner")
    equal(await store.commit(write, fence=new.lease, expected_revision=1), 2, "the new owner's revision")
    equal(len(await store.read(SESSION)), 2, "events in the log")


async def wrong_revision_is_refused(rig: Rig) -> None:
    store = await rig.open()
    claimed = await accept_and_claim(store, message("hello"), rig.owner())
    for revision in (0, 2):
        attempt = store.commit((Append((note("lost"),)),), fence=claimed.lease, expected_revision=revision)
        await stale(attempt, f"a commit at revision {revision} of a log at 1")
    equal(await store.commit((), fence=claimed.lease, expected_revision=1), 1, "the revision of an empty commit")
    equal(len(await store.read(SESSION)), 1, "events in the log")


async def failing_commit_leaves_nothing(rig: Rig) -> None:
    store = await rig.open()
    claimed = await accept_and_claim(store, message("hello"), rig.owner())
    before = await _state(store, claimed)
    foreign = msgspec.structs.replace(answer(claimed), message_id="not the one that runs")
    operations = (Append((note("lost"),)), Finish(foreign), Release())
    await stale(store.commit(operations, fence=claimed.lease, expected_revision=1), "the reply to another message")
    equal(await _state(store, claimed), before, "what is kept of a failed commit")
    await finish(store, claimed)


async def due_lists_what_can_run(rig: Rig) -> None:
    store = await rig.open()
    keys = [SessionKey("clerk", name) for name in ("c", "a", "b", "d")]
    for key in keys:
        await store.accept(message("hello", session=key))
    await store.accept(message("hello", session=SessionKey("baker", "x")))
    await store.accept(message("again", session=keys[0]))
    equal(await store.due("clerk"), keys, "due sessions, oldest item first")
    equal(await store.due("clerk", limit=2), keys[:2], "the first two")
    held = present(await store.claim(keys[1], rig.owner()), "turn")
    equal(await store.due("clerk"), [keys[0], *keys[2:]], "due sessions while one runs")
    await finish(store, held)
    equal(await store.due("clerk"), [keys[0], *keys[2:]], "due sessions once it has run")


async def _state(store: Store, claimed: Claimed) -> tuple[object, ...]:
    key = claimed.item.session
    lease = await store.renew(claimed.lease)
    return lease, await store.session(key), await store.read(key), await store.reply(key, claimed.item.message_id)


CHECKS: tuple[Check, ...] = (
    nothing_to_claim_gives_none,
    live_owner_keeps_its_lease,
    exactly_one_of_many_claims,
    released_lease_is_granted_with_a_newer_fence,
    unfinished_turn_is_resumed,
    dead_owner_is_replaced_at_once,
    lease_expires_unless_renewed,
    late_owner_may_go_on_until_it_is_replaced,
    stale_writer_is_refused,
    wrong_revision_is_refused,
    failing_commit_leaves_nothing,
    due_lists_what_can_run,
)
