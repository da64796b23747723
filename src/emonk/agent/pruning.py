"""Which sessions may go, and their removal when they were idle for long."""

from collections.abc import Iterable
from contextlib import suppress

import msgspec

from emonk.effects.unfinished import NAMESPACE
from emonk.errors import Unavailable
from emonk.records import ApprovalState, EffectState, Session, SessionKey
from emonk.store.protocol import Store

UNSURE = (EffectState.SENDING, EffectState.UNKNOWN)
"""An effect of which nobody knows whether it acted: to forget it would be to let it happen again."""


class Pruned(msgspec.Struct, frozen=True):
    """The sessions that were removed; `before`, given back, goes on, None when all were looked at.

    `kept` were idle for as long, but something is open in them.
    """

    sessions: tuple[Session, ...]
    before: int | None
    kept: tuple[Session, ...] = ()


async def prune(
    store: Store,
    agent: str | None,
    idle_since: int,
    *,
    limit: int = 100,
    before: int | None = None,
    dry_run: bool = False,
) -> Pruned:
    """Remove sessions that were not active after `idle_since`, looking at a page of them.

    One with an open turn, waiting messages, a question to people or an unfinished effect stays.

    Args:
        store: where they lie.
        agent: whose; None for all.
        idle_since: UTC microseconds.
        limit: how many to look at.
        before: as the page before said.
        dry_run: only tell which ones; a turn that is open or runs is not seen then.
    """
    start = idle_since + 1 if before is None else min(before, idle_since + 1)
    page = await store.sessions(agent=agent, limit=limit, before=start)
    removed: list[Session] = []
    kept: list[Session] = []
    for session in page:
        if await _in_use(store, session.key):
            kept.append(session)
        elif dry_run or await _remove(store, session.key, idle_since):
            removed.append(session)
        elif await _still_idle(store, session.key, idle_since):
            kept.append(session)
    return Pruned(tuple(removed), page[-1].last_active if len(page) >= limit else None, tuple(kept))


async def tool_of_effect(store: Store, session: SessionKey, states: Iterable[EffectState]) -> str | None:
    """The tool of an effect of the session in one of the states; None when it has none."""
    for state in states:
        for record in await store.records(NAMESPACE, session=session, state=state, limit=1):
            return _tool(record.data)
    return None


async def _in_use(store: Store, session: SessionKey) -> bool:
    if await tool_of_effect(store, session, (EffectState.PREPARED, *UNSURE)) is not None:
        return True
    return bool(await store.records("approvals", session=session, state=ApprovalState.PENDING, limit=1))


async def _remove(store: Store, session: SessionKey, idle_since: int) -> bool:
    with suppress(Unavailable):  # somebody has taken it up
        return await store.delete(session, idle_since=idle_since)
    return False


async def _still_idle(store: Store, session: SessionKey, idle_since: int) -> bool:
    """Whether it was not the time that kept it: it may have been active, or deleted, since it was listed."""
    info = await store.session(session)
    return info is not None and info.last_active <= idle_since


class _Effect(msgspec.Struct):
    tool: str = "unnamed"


def _tool(effect: bytes) -> str:
    try:
        return msgspec.json.decode(effect, type=_Effect).tool
    except msgspec.DecodeError:
        return _Effect().tool
