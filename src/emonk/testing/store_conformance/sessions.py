"""Sessions are begun, described, deleted with all that they hold, and brought back as they were."""

# ruff: noqa: D103 - a check says in its name what it checks

import asyncio
from typing import Any

import msgspec

from emonk.errors import Conflict, InvalidConfig, Unavailable
from emonk.events import Logged, Summarised
from emonk.records import METADATA_BYTES, Session, SessionKey
from emonk.store.protocol import LEASE_SECONDS, TITLE_LENGTH, Append, Claimed, Finish, Release, Store
from emonk.store.record_protocol import Put
from emonk.testing.store_conformance.log import EVERY_KIND
from emonk.testing.store_conformance.rig import (
    HALF,
    NOTHING,
    ODD,
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
    note,
    present,
    refused,
    stale,
)

_METADATA: dict[str, Any] = {"tier": "gold", "nested": {"ünï\0": [1, 2.5, None, True, {}]}}
_MANY = 1200  # more than one batch of any database


async def created_session_is_there_before_its_first_message(rig: Rig) -> None:
    store, start = await rig.open(), int(rig.clock.time() * 1_000_000)
    made = await store.create(SESSION, user_id="ada", title=" Trip\nto Rome ", metadata=_METADATA)
    expected = Session(
        agent="clerk",
        session_id="s1",
        user_id="ada",
        participants=("ada",),
        created_at=start,
        last_active=start,
        title="Trip to Rome",
        metadata=_METADATA,
    )
    equal((made, await store.session(SESSION)), (expected, expected), "the session")
    equal(await store.sessions(user_id="ada"), [expected], "the sessions of who created it")
    equal((await store.due("clerk"), await store.read(SESSION)), (NOTHING, NOTHING), "due sessions and the log")
    claimed = await accept_and_claim(store, message("hello", user_id="bob"), rig.owner())
    holds(claimed.lease.fence > start, "fences start at the session's creation")
    info = present(await store.session(SESSION), "session")
    equal((info.title, info.participants), ("Trip to Rome", ("ada", "bob")), "title and participants after a message")
    equal((info.user_id, info.metadata), ("ada", _METADATA), "who began it, and metadata")


async def session_begins_once(rig: Rig) -> None:
    store = await rig.open()
    await store.create(SESSION, user_id="ada", title="first")
    await store.accept(message("hello", session=OTHER))
    for key in (SESSION, OTHER):
        await refused(Conflict, lambda key=key: store.create(key, user_id="bob", title="second"), "a second beginning")
    equal(present(await store.session(SESSION), "session").title, "first", "title")
    key = SessionKey("clerk", "raced")
    attempts = [store.create(key, user_id=f"u{number}") for number in range(8)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    equal(sum(isinstance(outcome, Session) for outcome in outcomes), 1, "how many of eight began it")
    equal(sum(isinstance(outcome, Conflict) for outcome in outcomes), 7, "how many found it there")


async def metadata_that_cannot_be_kept_are_refused(rig: Rig) -> None:
    store = await rig.open()
    kept = await store.create(SESSION, user_id="ada", metadata={"text": "x" * (METADATA_BYTES - 11)})
    wrong: tuple[dict[str, Any], ...] = (
        {"text": "x" * (METADATA_BYTES - 10)},
        {"number": float("nan")},
        {"thing": object()},
        {"text": HALF},
    )
    for metadata in wrong:
        shown = repr(metadata)[:40]
        await refused(InvalidConfig, lambda m=metadata: store.create(OTHER, user_id="ada", metadata=m), shown)
        await refused(InvalidConfig, lambda m=metadata: store.describe(SESSION, metadata=m), shown)
    equal(await store.session(OTHER), None, "the session that was refused")
    equal(await store.session(SESSION), kept, "the session that was not changed")


async def described_session_changes_only_what_is_given(rig: Rig) -> None:
    store = await rig.open()
    equal(await store.describe(SESSION, title="nobody"), None, "an unknown session")
    await accept_and_claim(store, message("hello"), rig.owner())
    before = present(await store.session(SESSION), "session")
    await rig.clock.advance(5)
    renamed = await store.describe(SESSION, title=" A\nname ")
    equal(renamed, msgspec.structs.replace(before, title="A name"), "the renamed session")
    attached = await store.describe(SESSION, metadata=_METADATA)
    equal(attached, msgspec.structs.replace(before, title="A name", metadata=_METADATA), "the session with metadata")
    equal((await store.session(SESSION), await store.sessions()), (attached, [attached]), "the session")
    title = present(await store.describe(SESSION, title="word " * 99, metadata={}), "session").title
    holds(title.startswith("word word") and len(title) <= TITLE_LENGTH, f"a short title, not {title!r}")
    equal(present(await store.session(SESSION), "session").metadata, {}, "metadata that were taken off")


async def deleted_session_is_gone_with_all_that_it_held(rig: Rig) -> None:
    store, owner = await rig.open(), rig.owner()
    await _filled(store, rig)
    await store.accept(message("other", session=OTHER), owner=owner)
    await store.put([_put("kept", None), _put("of the other", OTHER)])
    equal(await store.delete(SESSION), True, "whether there was one")
    equal((await store.session(SESSION), await store.read(SESSION)), (None, NOTHING), "the session and its log")
    equal([info.key for info in await store.sessions(user_id="ada")], [OTHER], "the sessions of its user")
    equal(
        (await store.sessions(user_id="bob"), await store.due("clerk")),
        (NOTHING, NOTHING),
        "its other user's, and due ones",
    )
    equal((await store.reply(SESSION, "one"), await store.claim(SESSION, owner)), (None, None), "a reply and a claim")
    equal([record.key for record in await store.records("things")], ["kept", "of the other"], "records that are left")
    equal(await store.delete(SESSION), False, "a second deletion")
    equal(await store.describe(SESSION, title="x"), None, "describing it")
    claimed = await accept_and_claim(store, message("one"), owner)
    equal((claimed.revision, claimed.resumed), (1, False), "the first turn of the session that begins anew")
    info = present(await store.session(SESSION), "session")
    equal((info.participants, info.message_count), (("ada",), 1), "what it begins with")
    equal(info.metadata, {}, "its metadata")


async def session_that_begins_anew_refuses_writers_of_the_old_one(rig: Rig) -> None:
    store = await rig.open()
    old = await accept_and_claim(store, message("one"), rig.owner())
    await rig.clock.advance(LEASE_SECONDS + 1)
    equal(await store.delete(SESSION), True, "the deletion, once the lease has expired")
    await stale(_append(store, old), "a commit to a deleted session")
    await stale(store.renew(old.lease), "a renewal in a deleted session")
    new = await accept_and_claim(store, message("one"), rig.owner())
    holds(new.lease.fence > old.lease.fence, "fences grow over a deletion")
    await stale(_append(store, old), "a commit of the old session's writer")
    await stale(store.renew(old.lease), "a renewal by the old session's writer")
    equal(await _append(store, new), 2, "the revision after a commit of the new writer")


async def session_with_a_live_writer_is_not_deleted(rig: Rig) -> None:
    store = await rig.open()
    claimed = await accept_and_claim(store, message("hello"), rig.owner())
    error = await refused(Unavailable, lambda: store.delete(SESSION), "a deletion during a turn")
    equal(getattr(error, "code", None), "session_busy", "the error's code")
    equal(len(await store.read(SESSION)), 1, "events")
    await finish(store, claimed)
    equal(await store.delete(SESSION), True, "the deletion after the turn")


async def session_is_deleted_only_if_it_was_idle(rig: Rig) -> None:
    store, owner = await rig.open(), rig.owner()
    equal(await store.delete(SESSION, idle_since=0), False, "an unknown session")
    await finish(store, await accept_and_claim(store, message("one"), owner))
    active = present(await store.session(SESSION), "session").last_active
    equal(await store.delete(SESSION, idle_since=active - 1), False, "one that was active after that time")
    await store.accept(message("two"))
    equal(await store.delete(SESSION, idle_since=active), False, "one with a message in its inbox")
    claimed = present(await store.claim(SESSION, owner), "turn")
    equal(await store.delete(SESSION, idle_since=active + 1), False, "one whose turn is under way")
    await finish(store, claimed)
    active = present(await store.session(SESSION), "session").last_active
    equal(await store.delete(SESSION, idle_since=active), True, "one that was idle")


async def pages_go_on_where_sessions_are_deleted(rig: Rig) -> None:
    store = await rig.open()
    keys = [SessionKey("clerk", f"n{number}") for number in range(12)]
    for key in keys:
        await rig.clock.advance(1)
        await store.create(key, user_id="ada")
    first = await store.sessions(user_id="ada", limit=4)
    equal([info.key for info in first], keys[:-5:-1], "the first page")
    for key in (keys[8], keys[7], keys[2]):
        await store.delete(key)
    rest = await store.sessions(user_id="ada", limit=100, before=first[-1].last_active)
    equal([info.key for info in rest], [keys[number] for number in (6, 5, 4, 3, 1, 0)], "what comes after it")


async def long_session_is_deleted(rig: Rig) -> None:
    store = await rig.open()
    claimed = await accept_and_claim(store, message("hello"), rig.owner())
    await finish(store, claimed, *(note(str(number)) for number in range(_MANY)))
    equal(await store.delete(SESSION), True, "whether there was one")
    equal(await store.read(SESSION), [], "its log")


async def restored_session_is_as_it_was(rig: Rig) -> None:
    store, owner = await rig.open(), rig.owner()
    await _filled(store, rig)
    session, events = present(await store.session(SESSION), "session"), await store.read(SESSION)
    await rig.clock.advance(60)
    await store.delete(SESSION)
    await store.restore(session, events)
    equal((await store.session(SESSION), await store.read(SESSION)), (session, events), "the session and its log")
    equal(
        (await store.due("clerk"), await store.claim(SESSION, owner)), (NOTHING, None), "due sessions and an open turn"
    )
    equal(await store.sessions(user_id="bob"), [session], "the sessions of its second user")
    claimed = await accept_and_claim(store, message("more"), owner)
    holds(claimed.lease.fence > rig.clock.time() * 1_000_000, "fences start at the restoration")
    cutoff = max(entry.event.cutoff for entry in events if isinstance(entry.event, Summarised))
    equal(list(claimed.events[:-1]), events[cutoff:], "what the next turn starts from")
    equal(claimed.revision, session.revision + 1, "the revision of the next message")


async def session_without_a_message_is_restored(rig: Rig) -> None:
    store = await rig.open()
    made = await store.create(SESSION, user_id="ada", metadata=_METADATA)
    await store.delete(SESSION)
    await store.restore(made, [])
    equal(await store.session(SESSION), made, "the session")


async def session_that_is_not_whole_or_there_already_is_not_restored(rig: Rig) -> None:
    store = await rig.open()
    await _filled(store, rig)
    session, events = present(await store.session(SESSION), "session"), await store.read(SESSION)
    await refused(Conflict, lambda: store.restore(session, events), "a session that is there")
    copy = msgspec.structs.replace(session, session_id="copy")
    shifted = [Logged(entry.revision + 1, entry.at, entry.event) for entry in events]
    for wrong in (events[1:], events[:-1], [*events[:-2], events[-1]], shifted, [*events, events[-1]], []):
        await refused(ValueError, lambda log=wrong: store.restore(copy, log), f"{len(wrong)} events")
    equal(await store.session(copy.key), None, "the session that was refused")
    equal((await store.session(SESSION), await store.read(SESSION)), (session, events), "the session that is there")


async def token_count_stays_until_a_turn_gives_another(rig: Rig) -> None:
    store, owner = await rig.open(), rig.owner()
    counts: list[int] = []
    for number, count in enumerate((1200, None, 80)):
        claimed = await accept_and_claim(store, message(str(number)), owner)
        operations = (Finish(answer(claimed), count), Release())
        await store.commit(operations, fence=claimed.lease, expected_revision=claimed.revision)
        counts.append(present(await store.session(SESSION), "session").token_count)
    equal(counts, [1200, 1200, 80], "token counts")


async def ids_of_any_kind_are_kept(rig: Rig) -> None:
    store, owner = await rig.open(), rig.owner()
    for odd in ODD:
        key = SessionKey(odd, odd)
        made = await store.create(key, user_id=odd, title="odd")
        equal((made.key, made.participants), (key, (odd,)), "key and participants")
        claimed = await accept_and_claim(store, message("hi", session=key, message_id=odd, user_id=odd), owner)
        equal((claimed.item.message_id, claimed.item.user_id), (odd, odd), "the message's ids")
        await finish(store, claimed)
        equal(present(await store.reply(key, odd), "reply").message_id, odd, "the message that was replied to")
        info = present(await store.session(key), "session")
        equal(await store.sessions(agent=odd, user_id=odd, session_id=odd), [info], "the sessions found by it")
        events = await store.read(key)
        equal(await store.delete(key), True, "whether there was one")
        await store.restore(info, events)
        equal(await store.session(key), info, "the session that was restored")
    equal(len(await store.sessions()), len(ODD), "all sessions")


async def half_a_character_is_refused_before_anything_is_written(rig: Rig) -> None:
    store, owner, half = await rig.open(), rig.owner(), SessionKey("clerk", HALF)
    claimed = await accept_and_claim(store, message("hello"), owner)
    attempts = {
        "a message": lambda: store.accept(message("more", message_id=HALF)),
        "a message's text": lambda: store.accept(message(HALF, message_id="more")),
        "a user": lambda: store.accept(message("more", user_id=HALF)),
        "a session of a message": lambda: store.accept(message("more", session=half)),
        "an event": lambda: store.commit((Append((note(HALF),)),), fence=claimed.lease, expected_revision=1),
        "a reply": lambda: store.commit((Finish(answer(claimed, HALF)),), fence=claimed.lease, expected_revision=1),
        "a session to claim": lambda: store.claim(half, owner),
        "a session to read": lambda: store.read(half),
        "a session": lambda: store.session(half),
        "a session to create": lambda: store.create(half, user_id="ada"),
        "a title": lambda: store.describe(SESSION, title=HALF),
        "a session to delete": lambda: store.delete(half),
        "users of sessions": lambda: store.sessions(user_id=HALF),
    }
    for what, attempt in attempts.items():
        await refused(InvalidConfig, attempt, what)
    equal(len(await store.sessions()), 1, "sessions")
    equal(present(await store.session(SESSION), "session").participants, ("ada",), "participants")
    equal(await _append(store, claimed), 2, "the revision after a commit that can be kept")


async def _filled(store: Store, rig: Rig) -> None:
    """A session with all that one can have."""
    owner = rig.owner()
    await store.create(SESSION, user_id="ada", title="Trip", metadata=_METADATA)
    await rig.clock.advance(1)
    claimed = await accept_and_claim(store, message("one"), owner)
    write = (Append((note("a"), Summarised(text="one, a", cutoff=2), *EVERY_KIND)), _put("its own", None))
    revision = await store.commit(write, fence=claimed.lease, expected_revision=1)
    await rig.clock.advance(1)
    done = (Finish(answer(claimed), 700), Release())
    await store.commit(done, fence=claimed.lease, expected_revision=revision)
    await store.put([_put("its other", SESSION)])
    await finish(store, await accept_and_claim(store, message("two", user_id="bob"), owner))


async def _append(store: Store, claimed: Claimed) -> int:
    operations = (Append((note("x"),)),)
    return await store.commit(operations, fence=claimed.lease, expected_revision=claimed.revision)


def _put(key: str, session: SessionKey | None) -> Put:
    return Put(namespace="things", key=key, data=b"{}", expected_version=0, session=session)


CHECKS: tuple[Check, ...] = (
    created_session_is_there_before_its_first_message,
    session_begins_once,
    metadata_that_cannot_be_kept_are_refused,
    described_session_changes_only_what_is_given,
    deleted_session_is_gone_with_all_that_it_held,
    session_that_begins_anew_refuses_writers_of_the_old_one,
    session_with_a_live_writer_is_not_deleted,
    session_is_deleted_only_if_it_was_idle,
    pages_go_on_where_sessions_are_deleted,
    long_session_is_deleted,
    restored_session_is_as_it_was,
    session_without_a_message_is_restored,
    session_that_is_not_whole_or_there_already_is_not_restored,
    token_count_stays_until_a_turn_gives_another,
    ids_of_any_kind_are_kept,
    half_a_character_is_refused_before_anything_is_written,
)
