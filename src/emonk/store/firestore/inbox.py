"""The inbox of a Firestore store, and who gets the next turn.

A message is a document of its own, named for its id, so that the same one again cannot be created. The session's
document lists those without a reply.
"""

import asyncio
from typing import NamedTuple

import msgspec

from emonk.events import InboxItem, decode
from emonk.ids import uuid7
from emonk.records import Lease, Owner, Reply, SessionKey
from emonk.store.change import LEASE_MICROSECONDS, Row
from emonk.store.firestore.database import FirestoreDatabase
from emonk.store.firestore.documents import Documents, Fields, Found, Query, Write
from emonk.store.firestore.layout import SESSIONS, after_all, digest, name_of
from emonk.store.firestore.log import event_fields, event_path, item_path, read, read_one
from emonk.store.firestore.parts import Packing, unpack
from emonk.store.firestore.state import Held, State, Waiting, held
from emonk.store.grant import Granted, Next, title_of
from emonk.store.owners import is_dead
from emonk.store.protocol import INBOX_LIMIT, Accepted

_encoder = msgspec.json.Encoder()
_reply_decoder = msgspec.json.Decoder(Reply)
_DUE_PAGE = 50


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What a message's document holds as JSON, beside its event and its reply."""

    message_id: str
    user_id: str
    accepted_at: int
    attempt: str


_message_decoder = msgspec.json.Decoder(Message)


class Asking(NamedTuple):
    """Who asks for a turn, and in which attempt."""

    owner: Owner | None
    attempt: str


class Turn(NamedTuple):
    """A turn as it would be granted: the session then, what else is written, and the event if it is new in the log."""

    state: State
    writes: list[Write]
    event: bytes | None


async def accept(
    database: FirestoreDatabase, documents: Documents, item: InboxItem, data: bytes, asking: Asking, *, again: bool
) -> tuple[Accepted, Granted | None]:
    """Put the item, encoded as `data`, into the inbox; see `Store.accept`."""
    session, name = await database.find(documents, item.session), name_of(item.message_id)
    now = database.now(documents)
    state = begin(item.session, now) if session is None else session.state
    waiting = sum(one.revision is None for one in state.queue)
    if session is not None and (again or waiting >= INBOX_LIMIT or any(one.name == name for one in state.queue)):
        (earlier,) = await documents.get(item_path(state, name))
        if earlier is not None:
            return await _repeated(database, documents, session, earlier, asking)
    if waiting >= INBOX_LIMIT:
        return Accepted("full"), None
    message = Message(message_id=item.message_id, user_id=item.user_id, accepted_at=now, attempt=asking.attempt)
    fields: dict[str, object] = {"body": _encoder.encode(message)}
    known = state.participants if item.user_id in state.participants else (*state.participants, item.user_id)
    user_id = state.user_id if state.participants else item.user_id
    queue = (*state.queue, Waiting(name, documents.server_time()))
    state = msgspec.structs.replace(state, participants=known, user_id=user_id, queue=queue)
    packing = Packing(documents, state.log, asking.attempt)
    if asking.owner is None or len(queue) > 1 or not lapsed(state, now):
        fields["event"] = await packing.pack(data)
        await database.save(documents, session, state, Write("create", item_path(state, name), fields))
        return Accepted("new"), None
    turn = await _taken(packing, state, data, asking, now)
    turn.writes.append(Write("create", item_path(state, name), fields))
    return Accepted("new"), await _take(database, documents, session, turn, message)


async def claim(
    database: FirestoreDatabase, documents: Documents, session: SessionKey, asking: Asking
) -> Granted | None:
    """Give the owner the next turn; see `Store.claim`."""
    found = await database.find(documents, session)
    return None if found is None else await _granted(database, documents, found, asking)


async def reply(
    database: FirestoreDatabase, documents: Documents, session: SessionKey, message_id: str
) -> Reply | None:
    """The reply to a message, or None."""
    found = await database.find(documents, session)
    if found is None:
        return None
    (item,) = await documents.get(item_path(found.state, name_of(message_id)))
    return None if item is None else await _reply(documents, found.state, item)


async def due(database: FirestoreDatabase, documents: Documents, agent: str, limit: int) -> list[SessionKey]:
    """Sessions whose turn can be claimed, oldest item first."""
    start, ready = digest(agent), list[SessionKey]()
    while len(ready) < limit:
        where = (("due", ">", start), ("due", "<", after_all(digest(agent))))
        found = await documents.query(Query(SESSIONS, where, "due", limit=_DUE_PAGE))
        now = database.now(documents)
        ready += [one.state.key for one in map(held, found) if lapsed(one.state, now)]
        if len(found) < _DUE_PAGE:
            break
        start = found[-1].fields["due"]
    return ready[: max(0, limit)]


def begin(session: SessionKey, now: int) -> State:
    """A session that is not there yet; its fences are higher than those of one that was deleted before."""
    return State(
        agent=session.agent,
        session_id=session.session_id,
        generation=uuid7(),
        created_at=now,
        last_active=now,
        fence=now,
    )


def lapsed(state: State, now: int) -> bool:
    """Whether nobody holds the lease any more."""
    return state.owner is None or state.expires <= now or is_dead(state.owner)


async def _repeated(
    database: FirestoreDatabase, documents: Documents, session: Held, earlier: Found, asking: Asking
) -> tuple[Accepted, Granted | None]:
    message = _message_decoder.decode(earlier.fields["body"])
    state = "new" if message.attempt == asking.attempt else "repeated"
    answer = await _reply(documents, session.state, earlier)
    queue = session.state.queue
    if answer is not None or asking.owner is None or not queue or queue[0].name != earlier.name:
        return Accepted(state, answer), None
    return Accepted(state), await _granted(database, documents, session, asking)


async def _reply(documents: Documents, state: State, item: Found) -> Reply | None:
    fields: Fields | None = item.fields.get("reply")
    return None if fields is None else _reply_decoder.decode((await unpack(documents, state.log, [fields]))[0])


async def _granted(database: FirestoreDatabase, documents: Documents, session: Held, asking: Asking) -> Granted | None:
    """The next turn, if it is free or was granted to this very attempt already."""
    state, now = session.state, database.now(documents)
    before = state.granted == asking.attempt and state.owner is not None
    if not state.queue or asking.owner is None or not (before or lapsed(state, now)):
        return None
    (item,) = await documents.get(item_path(state, state.queue[0].name))
    assert item is not None  # noqa: S101 - it is written with the queue that names it
    message = _message_decoder.decode(item.fields["body"])
    if before:
        return await _granted_before(database, documents, state, message)
    fields: Fields | None = item.fields.get("event") if state.queue[0].revision is None else None
    data = None if fields is None else (await unpack(documents, state.log, [fields]))[0]
    turn = await _taken(Packing(documents, state.log, asking.attempt), state, data, asking, now)
    return await _take(database, documents, session, turn, message)


async def _taken(packing: Packing, state: State, data: bytes | None, asking: Asking, now: int) -> Turn:
    """What is written when the owner takes the turn of the first message, whose event is `data` if it is not begun."""
    first, writes = state.queue[0], list[Write]()
    begun = first.revision or state.revision + 1
    if data is not None:
        fields = event_fields(await packing.pack(data), now, asking.attempt)
        writes.append(Write("create", event_path(state, begun), fields))
    taken = msgspec.structs.replace(
        state,
        revision=max(state.revision, begun),
        queue=(Waiting(first.name, first.order, begun), *state.queue[1:]),
        message_count=state.message_count + (data is not None),
        title=state.title or ("" if data is None else title_of(decode(data))),
        fence=state.fence + 1,
        owner=asking.owner,
        expires=now + LEASE_MICROSECONDS,
        last_active=now,
        granted=asking.attempt,
    )
    return Turn(taken, writes, data)


async def _take(
    database: FirestoreDatabase, documents: Documents, session: Held | None, turn: Turn, message: Message
) -> Granted:
    """Write the turn; meanwhile read the log up to its event, which nobody can change."""
    state = turn.state
    known = msgspec.structs.replace(state, revision=state.revision - (turn.event is not None))
    saving = database.save(documents, session, state, *turn.writes)
    _, log = await asyncio.gather(saving, _log(database, documents, known))
    if turn.event is not None:
        log.append((state.revision, state.last_active, turn.event))
    database.logs.keep(state.log, log)
    return await _grant(documents, state, message, log, resumed=turn.event is None)


async def _log(database: FirestoreDatabase, documents: Documents, state: State) -> list[Row]:
    """What a turn starts from: what follows the latest summary's cutoff."""
    kept = database.logs.after(state.log, state.cutoff)
    return kept + await read(documents, state, kept[-1][0] if kept else state.cutoff)


async def _granted_before(database: FirestoreDatabase, documents: Documents, state: State, message: Message) -> Granted:
    begun = state.queue[0].revision or state.revision
    (event,) = await documents.get(event_path(state, begun))
    resumed = event is None or event.fields.get("by") != state.granted
    log = await _log(database, documents, state)
    return await _grant(documents, state, message, log, resumed=resumed)


async def _grant(documents: Documents, state: State, message: Message, log: list[Row], *, resumed: bool) -> Granted:
    assert state.owner is not None  # noqa: S101 - only an owner is granted a turn
    begun = state.queue[0].revision or state.revision
    lease = Lease(state.key, state.owner, state.fence, state.expires)
    item = Next(0, message.message_id, message.user_id, message.accepted_at, None, begun)
    covered = [] if begun > state.cutoff else await read_one(documents, state, begun)
    return Granted(lease, item, begun, state.revision, log, covered, resumed)
