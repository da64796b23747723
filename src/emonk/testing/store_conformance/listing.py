"""Sessions are found by agent and by participant, page by page."""

# ruff: noqa: D103 - a check says in its name what it checks

from emonk.records import Session, SessionKey
from emonk.store.protocol import Store
from emonk.testing.store_conformance.rig import (
    OTHER,
    SESSION,
    Check,
    Rig,
    accept_and_claim,
    equal,
    finish,
    holds,
    message,
    note,
    present,
)


async def session_tells_what_happened_in_it(rig: Rig) -> None:
    store, owner = await rig.open(), rig.owner()
    equal(await store.session(SESSION), None, "an unknown session")
    start = int(rig.clock.time() * 1_000_000)
    await finish(store, await accept_and_claim(store, message("  Weather in\nParis?  "), owner), note("a"))
    await rig.clock.advance(5)
    await finish(store, await accept_and_claim(store, message("And Rome?", user_id="bob"), owner))
    info = present(await store.session(SESSION), "session")
    equal((info.key, info.created_at, info.last_active), (SESSION, start, start + 5_000_000), "key and times")
    equal((info.revision, info.message_count, info.title), (3, 2, "Weather in Paris?"), "counts and title")
    equal(sorted(info.participants), ["ada", "bob"], "participants")


async def long_first_message_gives_a_short_title(rig: Rig) -> None:
    store = await rig.open()
    await accept_and_claim(store, message("word " * 200, message_id="m"), rig.owner())
    title = present(await store.session(SESSION), "session").title
    holds(title.startswith("word word") and len(title) <= 100, f"a title of at most 100 characters, not {title!r}")


async def sessions_are_found_by_agent_and_by_user(rig: Rig) -> None:
    store, baker = await rig.open(), SessionKey("baker", "s1")
    for key, user_id in ((SESSION, "ada"), (OTHER, "bob"), (baker, "ada")):
        await rig.clock.advance(1)
        await accept_and_claim(store, message("hello", session=key, user_id=user_id), rig.owner())
    equal(_keys(await store.sessions()), [baker, OTHER, SESSION], "all, last active first")
    equal(_keys(await store.sessions(agent="clerk")), [OTHER, SESSION], "those of an agent")
    equal(_keys(await store.sessions(user_id="ada")), [baker, SESSION], "those of a user")
    equal(_keys(await store.sessions(agent="clerk", user_id="ada")), [SESSION], "those of an agent and a user")
    equal(_keys(await store.sessions(session_id="s1")), [baker, SESSION], "those of an id")
    equal(_keys(await store.sessions(session_id="s1", user_id="bob")), [], "those of an id and another user")
    equal(_keys(await store.sessions(agent="nobody")), [], "those of an unknown agent")


async def active_session_moves_to_the_front(rig: Rig) -> None:
    store, owner = await rig.open(), rig.owner()
    for key in (SESSION, OTHER, SESSION):
        await rig.clock.advance(1)
        await finish(store, await accept_and_claim(store, message(str(rig.clock.time()), session=key), owner))
    equal(_keys(await store.sessions()), [SESSION, OTHER], "last active first")


async def pages_show_every_session_once(rig: Rig) -> None:
    store = await rig.open()
    for number in range(23):
        await store.accept(message("hello", session=SessionKey("clerk", f"n{number}")))
        if number % 3 == 0:
            await rig.clock.advance(1)
    for user_id in (None, "ada"):
        whole = await store.sessions(agent="clerk", user_id=user_id, limit=100)
        equal(len(whole), 23, "sessions in one page")
        equal(await _paged(store, user_id), whole, "the same in pages, although some were active at the same time")


async def _paged(store: Store, user_id: str | None) -> list[Session]:
    seen: list[Session] = []
    page = await store.sessions(agent="clerk", user_id=user_id, limit=4)
    while page:
        seen += page
        page = await store.sessions(agent="clerk", user_id=user_id, limit=4, before=page[-1].last_active)
    return seen


def _keys(sessions: list[Session]) -> list[SessionKey]:
    return [info.key for info in sessions]


CHECKS: tuple[Check, ...] = (
    session_tells_what_happened_in_it,
    long_first_message_gives_a_short_title,
    sessions_are_found_by_agent_and_by_user,
    active_session_moves_to_the_front,
    pages_show_every_session_once,
)
