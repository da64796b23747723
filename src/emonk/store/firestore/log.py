"""The event log of a Firestore store and its one writer.

An attempt that runs `again` may have been carried out before, by a request whose answer was lost. It looks for its own
name, which it would have left in the session, in the events or in the answered message.
"""

from collections.abc import Sequence

import msgspec

from emonk.errors import StaleSession
from emonk.records import Lease, SessionKey
from emonk.store.change import LEASE_MICROSECONDS, Change, Row
from emonk.store.firestore import records, usage
from emonk.store.firestore.database import FirestoreDatabase
from emonk.store.firestore.documents import Documents, Fields, Found, Query, Write
from emonk.store.firestore.layout import EVENTS, INBOX, event_name, name_of
from emonk.store.firestore.parts import Packing, unpack
from emonk.store.firestore.state import State


class Writing:
    """One commit: what is to be written, by whose lease, on top of which revision, and the attempt's name."""

    def __init__(self, made: Change, fence: Lease, revision: int, attempt: str) -> None:
        self.made = made
        self.fence = fence
        self.revision = revision
        self.attempt = attempt
        self.item = name_of(made.message_id) if made.reply is not None else ""

    async def happened(self, documents: Documents, state: State) -> bool:
        """Whether an earlier attempt was kept; one that only gives the lease back has come to that anyway."""
        made = self.made
        if state.committed == self.attempt:
            return True
        if made.events:
            (event,) = await documents.get(event_path(state, self.revision + 1))
            return event is not None and event.fields.get("by") == self.attempt
        if made.reply is not None:
            (item,) = await documents.get(item_path(state, self.item))
            return item is not None and item.fields.get("answered") == self.attempt
        if made.puts:
            return await records.written_by(documents, made.puts[0], self.attempt)
        return made.release and not made.rows and (state.owner is None or state.fence != self.fence.fence)

    def check(self, state: State) -> None:
        """Raises `StaleSession` unless it may be written."""
        name = state.session_id
        if state.owner is None or state.fence != self.fence.fence:
            raise not_held(self.fence)
        if state.revision != self.revision:
            raise StaleSession(f"Session {name} is at revision {state.revision}, not {self.revision}")
        if self.item and not any(one.name == self.item and one.revision is not None for one in state.queue):
            raise StaleSession(f"Message {self.made.message_id} of session {name} is not being answered")

    async def puts(self, documents: Documents, now: int, *, again: bool) -> list[Write]:
        """Its records; one belongs to the session, whatever it says itself."""
        if not self.made.puts:
            return []
        puts = tuple(msgspec.structs.replace(put, session=self.fence.session) for put in self.made.puts)
        return await records.writes(documents, puts, self.attempt, now, again=again)

    def after(self, state: State, now: int) -> State:
        """The session once it is written."""
        made = self.made
        return msgspec.structs.replace(
            state,
            revision=self.revision + len(made.events),
            cutoff=state.cutoff if made.cutoff is None else made.cutoff,
            token_count=state.token_count if made.token_count is None else made.token_count,
            queue=tuple(one for one in state.queue if one.name != self.item),
            last_active=now if self.item else state.last_active,
            owner=None if made.release else state.owner,
            committed=self.attempt,
        )


async def commit(database: FirestoreDatabase, documents: Documents, writing: Writing, *, again: bool) -> int:
    """Write it, in one request where this process wrote the session last; see `Store.commit`."""
    last = writing.revision + len(writing.made.events)
    known = None if again else database.held(writing.fence)
    session = known or await database.find(documents, writing.fence.session)
    if session is None:
        raise not_held(writing.fence)
    if again and await writing.happened(documents, session.state):
        return last
    writing.check(session.state)
    now = database.now(documents)
    packing = Packing(documents, session.state.log, writing.attempt)
    writes = await _events(packing, session.state, writing, now)
    if writing.made.reply is not None:
        answer = {"reply": await packing.pack(writing.made.reply), "answered": writing.attempt, "event": None}
        writes.append(Write("update", item_path(session.state, writing.item), answer))
    writes += await writing.puts(documents, now, again=again)
    writes += await usage.writes(documents, writing.made.rows, again=again)
    await database.save(documents, session, writing.after(session.state, now), *writes)
    return last


async def renew(database: FirestoreDatabase, documents: Documents, lease: Lease, *, again: bool) -> Lease:
    """Move the expiry; see `Store.renew`."""
    known = None if again else database.held(lease)
    session = known or await database.find(documents, lease.session)
    if session is None or session.state.owner is None or session.state.fence != lease.fence:
        raise not_held(lease)
    expires = database.now(documents) + LEASE_MICROSECONDS
    await database.save(documents, session, msgspec.structs.replace(session.state, expires=expires))
    return msgspec.structs.replace(lease, expires=expires)


async def release(database: FirestoreDatabase, documents: Documents, lease: Lease) -> None:
    """Give back a lease as it was granted."""
    session = await database.find(documents, lease.session)
    if session is None:
        return
    state = session.state
    if (state.fence, state.owner, state.expires) == (lease.fence, lease.owner, lease.expires):
        await database.save(documents, session, msgspec.structs.replace(state, owner=None))


async def read(documents: Documents, state: State, after: int, limit: int | None = None) -> list[Row]:
    """The log of a session from the revision after `after`, as far as its state knows it."""
    left = max(0, state.revision - max(0, after))
    wanted = left if limit is None else min(left, max(0, limit))
    if not wanted:
        return []
    events = f"{state.log}/{EVENTS}"
    return await _rows(
        documents, state, await documents.query(Query(events, after=event_name(max(0, after)), limit=wanted))
    )


async def read_one(documents: Documents, state: State, revision: int) -> list[Row]:
    """The event of that revision."""
    found = await documents.get(event_path(state, revision))
    return await _rows(documents, state, [one for one in found if one is not None])


def event_fields(packed: Fields, at: int, attempt: str) -> Fields:
    """An event's document."""
    return {"at": at, "by": attempt, **packed}


def event_path(state: State, revision: int) -> str:
    """Where an event lies."""
    return f"{state.log}/{EVENTS}/{event_name(revision)}"


def item_path(state: State, name: str) -> str:
    """Where a message lies."""
    return f"{state.log}/{INBOX}/{name}"


def not_held(lease: Lease) -> StaleSession:
    """The lease is not the newest one, or was given back."""
    name = lease.session.session_id
    return StaleSession(f"Session {name} is not held any more", hint="another writer took it over")


async def read_session(
    database: FirestoreDatabase, documents: Documents, session: SessionKey, after: int, limit: int | None
) -> list[Row]:
    """The log of a session, empty for an unknown one."""
    found = await database.find(documents, session)
    return [] if found is None else await read(documents, found.state, after, limit)


async def _events(packing: Packing, state: State, writing: Writing, now: int) -> list[Write]:
    writes: list[Write] = []
    for revision, data in enumerate(writing.made.events, writing.revision + 1):
        fields = event_fields(await packing.pack(data), now, writing.attempt)
        writes.append(Write("create", event_path(state, revision), fields))
    return writes


async def _rows(documents: Documents, state: State, found: Sequence[Found]) -> list[Row]:
    data = await unpack(documents, state.log, [one.fields for one in found])
    return [(int(one.name), one.fields["at"], bytes_) for one, bytes_ in zip(found, data, strict=True)]
