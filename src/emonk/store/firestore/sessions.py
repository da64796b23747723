"""Whole sessions of a Firestore store: begun, changed, removed, brought back.

A deletion takes the session's document and leaves a removal in its place, in one transaction: from then on nobody sees
the session, and its key is free. What lay under its generation is removed after that, by whoever deleted it or, if that
one was stopped, by whoever comes across the removal later. A long log that is brought back is written under a removal
as well, which goes with the transaction that makes the session seen.
"""

from collections.abc import Sequence

import msgspec

from emonk.clock import MICROSECONDS
from emonk.records import Session, SessionKey
from emonk.store.firestore.database import FirestoreDatabase
from emonk.store.firestore.documents import Documents, Found, Query, Write
from emonk.store.firestore.errors import Moved
from emonk.store.firestore.inbox import lapsed
from emonk.store.firestore.layout import EVENTS, INBOX, PARTS, RECORDS, REMOVALS, session_path
from emonk.store.firestore.log import event_fields, event_path
from emonk.store.firestore.parts import REQUEST_BYTES, Packing
from emonk.store.firestore.records import owner_of
from emonk.store.firestore.state import Held, State, info
from emonk.store.limits import decoded_metadata
from emonk.store.refusals import busy, exists
from emonk.store.whole import Whole

BATCH = 300
_REMOVING = 60 * MICROSECONDS
_RESTORING = 3600 * MICROSECONDS


async def insert(
    database: FirestoreDatabase, documents: Documents, whole: Whole, attempt: str, *, again: bool
) -> Session:
    """A session that nobody holds, with its log; see `Store.create` and `Store.restore`."""
    found = await database.find(documents, whole.session.key)
    if found is not None:
        if again and found.state.generation == attempt:  # which stays, where others have written since
            return info(found.state)
        raise exists(whole.session.key)
    state = _begun(whole, attempt, database.now(documents))
    if len(whole.events) <= BATCH and sum(len(data) for _, _, data in whole.events) <= REQUEST_BYTES:
        writes = await _events(Packing(documents, state.log, attempt), state, whole)
        await database.save(documents, None, state, *writes)
        return info(state)
    removal = _removal_path(state)
    fields = {"log": state.log, "owner": None, "by": attempt, "after": documents.server_time() + _RESTORING}
    await documents.write((Write("put", removal, fields),))
    await _write_log(documents, state, whole, attempt)
    await database.save(documents, None, state, Write("delete", removal))
    return info(state)


async def describe(
    database: FirestoreDatabase, documents: Documents, session: SessionKey, title: str | None, metadata: bytes | None
) -> Session | None:
    """Change what is given, and say what it is now; see `Store.describe`."""
    found = await database.find(documents, session)
    if found is None:
        return None
    state = found.state
    changed = msgspec.structs.replace(
        state,
        title=state.title if title is None else title,
        metadata=state.metadata if metadata is None else decoded_metadata(metadata),
    )
    await database.save(documents, found, changed)
    return info(changed)


async def delete(
    database: FirestoreDatabase,
    documents: Documents,
    session: SessionKey,
    idle_since: int | None,
    removal: str,
    *,
    again: bool,
) -> bool:
    """Remove a session and all that it holds; see `Store.delete`. An attempt that was kept has left its `removal`."""
    if again and await _swept(documents, removal):
        return True
    found = await database.find(documents, session)
    if found is None or (idle_since is not None and (found.state.last_active > idle_since or found.state.queue)):
        return False
    if not lapsed(found.state, database.now(documents)):
        raise busy(session)
    database.forget(session)
    await documents.write(await _taken_away(documents, found, removal))
    await _swept(documents, removal)
    return True


async def finish_removals(documents: Documents) -> None:
    """Remove what interrupted deletions and restorations have left."""
    for removal in await documents.query(
        Query(REMOVALS, (("after", "<", documents.server_time()),), "after", limit=20)
    ):
        await sweep(documents, removal)


async def sweep(documents: Documents, removal: Found) -> None:
    """Remove what a deleted session has left; doing it twice, or two at once, does no harm."""
    if removal.fields["owner"] is not None:
        await _remove_records(documents, removal)
    for collection in (EVENTS, INBOX, PARTS):
        path = f"{removal.fields['log']}/{collection}"
        while names := await documents.query(Query(path, limit=BATCH, names_only=True)):
            await documents.write([Write("delete", f"{path}/{one.name}") for one in names])
    await documents.write((Write("delete", f"{REMOVALS}/{removal.name}"),))


async def _swept(documents: Documents, removal: str) -> bool:
    (left,) = await documents.get(f"{REMOVALS}/{removal}")
    if left is not None:
        await sweep(documents, left)
    return left is not None


async def _taken_away(documents: Documents, found: Held, removal: str) -> Sequence[Write]:
    owner, after = owner_of(found.state.key), documents.server_time() + _REMOVING
    records = await documents.query(Query(RECORDS, (("owner", "==", owner),), limit=BATCH, names_only=True))
    return (
        Write("delete", session_path(found.state.key), seen=found.seen),
        Write("create", f"{REMOVALS}/{removal}", {"log": found.state.log, "owner": owner, "after": after}),
        *(Write("delete", f"{RECORDS}/{one.name}", seen=one.updated) for one in records),
    )


async def _remove_records(documents: Documents, removal: Found) -> None:
    """Those that were there when the session went; a session that began anew keeps its own."""
    where, name, page = (("owner", "==", removal.fields["owner"]),), "", BATCH
    while page == BATCH:
        found = await documents.query(Query(RECORDS, where, after=name, limit=BATCH, names_only=True))
        old = [one for one in found if one.updated <= removal.created]
        try:
            if old:
                await documents.write([Write("delete", f"{RECORDS}/{one.name}", seen=one.updated) for one in old])
        except Moved:  # one has changed since: it belongs to a session that began anew
            continue
        page, name = len(found), found[-1].name if found else ""


async def _write_log(documents: Documents, state: State, whole: Whole, attempt: str) -> None:
    batch: list[tuple[int, int, bytes]] = []
    size = number = 0
    for row in (*whole.events, None):
        if row is None or len(batch) == BATCH or size + len(row[2]) > REQUEST_BYTES:
            packing = Packing(documents, state.log, f"{attempt}-{number}")
            part = msgspec.structs.replace(whole, events=tuple(batch))
            await documents.write([Write("put", one.path, one.fields) for one in await _events(packing, state, part)])
            batch, size, number = [], 0, number + 1
        if row is not None:
            batch.append(row)
            size += len(row[2])


async def _events(packing: Packing, state: State, whole: Whole) -> list[Write]:
    return [
        Write("create", event_path(state, revision), event_fields(await packing.pack(data), at, ""))
        for revision, at, data in whole.events
    ]


def _begun(whole: Whole, attempt: str, now: int) -> State:
    session = whole.at(now)
    return State(
        agent=session.agent,
        session_id=session.session_id,
        generation=attempt,
        created_at=session.created_at,
        last_active=session.last_active,
        fence=now,
        user_id=session.user_id,
        participants=session.participants,
        revision=session.revision,
        cutoff=whole.cutoff,
        message_count=session.message_count,
        title=session.title,
        token_count=session.token_count,
        metadata=decoded_metadata(whole.metadata),
        committed=attempt,
    )


def _removal_path(state: State) -> str:
    return f"{REMOVALS}/{state.generation}"
