"""The records of a Firestore store. A record is a document named for its namespace and key."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from emonk.records import Record, SessionKey
from emonk.store.firestore.documents import Documents, Found, Query, Write
from emonk.store.firestore.layout import RECORDS, digest, name_of, ordered
from emonk.store.firestore.ranges import Keys, Range, listed, place
from emonk.store.record_protocol import Put
from emonk.store.refusals import changed

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


class Wanted(NamedTuple):
    """Which records; None is any."""

    namespace: str
    session: SessionKey | None
    state: str | None

    def range(self) -> Range:
        """Where they lie together."""
        head = digest(self.namespace)
        if self.session is not None and self.state is not None:
            return Range(RECORDS, "by_both", head + owner_of(self.session) + digest(self.state))
        if self.session is not None:
            return Range(RECORDS, "by_session", head + owner_of(self.session))
        if self.state is not None:
            return Range(RECORDS, "by_state", head + digest(self.state))
        return Range(RECORDS, "by_key", head)


def owner_of(session: SessionKey) -> bytes:
    """What stands for the session that a record belongs to."""
    return digest(session.agent, session.session_id)


async def record(documents: Documents, namespace: str, key: str) -> Record | None:
    """One record, or None."""
    (found,) = await documents.get(_path(namespace, key))
    return None if found is None else _record(found)


async def put(documents: Documents, puts: Sequence[Put], attempt: str, now: int, *, again: bool) -> list[Record]:
    """Write all or none; see `RecordStore.put`."""
    if again and puts:
        found = await documents.get(*(_path(one.namespace, one.key) for one in puts))
        if all(one is not None and one.fields["by"] == attempt for one in found):
            return [_record(one) for one in found if one is not None]
    prepared = await writes(documents, puts, attempt, now, again=again)
    if prepared:
        await documents.write(prepared)
    return [_made(one, now) for one in puts]


async def writes(documents: Documents, puts: Sequence[Put], attempt: str, now: int, *, again: bool) -> list[Write]:
    """What is to be written; records that are to be new are looked at only `again`.

    Raises:
        Conflict: one of them names another version than the present one.
    """
    looked_at = [one for one in puts if again or one.expected_version]
    found = await documents.get(*(_path(one.namespace, one.key) for one in looked_at)) if looked_at else []
    present = dict(zip(((one.namespace, one.key) for one in looked_at), found, strict=True))
    return [_write(one, present.get((one.namespace, one.key)), attempt, now) for one in puts]


async def written_by(documents: Documents, one: Put, attempt: str) -> bool:
    """Whether the record is as that attempt has written it."""
    (found,) = await documents.get(_path(one.namespace, one.key))
    return found is not None and found.fields["by"] == attempt


async def remove(documents: Documents, namespace: str, key: str, expected_version: int) -> None:
    """Remove a record; see `RecordStore.remove`."""
    path = _path(namespace, key)
    (found,) = await documents.get(path)
    version = 0 if found is None else _record(found).version
    if found is None or version != expected_version:
        raise changed(namespace, key, version, expected_version)
    await documents.write((Write("delete", path, seen=found.updated),))


async def records(documents: Documents, wanted: Wanted, keys: Keys) -> list[Record]:
    """Records in the order of their keys; see `RecordStore.records`."""
    return [_record(one) for one in await listed(documents, wanted.range(), keys, lambda one: _record(one).key)]


async def due(documents: Documents, namespace: str, now: int, limit: int) -> list[Record]:
    """Records whose time has come; see `RecordStore.due_records`."""
    if limit <= 0:
        return []
    head = digest(namespace)
    where = (("by_due", ">", head), ("by_due", "<", head + ordered(now + 1)))
    return [_record(one) for one in await documents.query(Query(RECORDS, where, "by_due", limit=limit))]


def _write(one: Put, found: Found | None, attempt: str, now: int) -> Write:
    version = 0 if found is None else _record(found).version
    if version != one.expected_version:
        raise changed(one.namespace, one.key, version, one.expected_version)
    path, fields = _path(one.namespace, one.key), _fields(_made(one, now), attempt)
    return Write("create", path, fields) if found is None else Write("update", path, fields, found.updated)


def _made(one: Put, now: int) -> Record:
    return Record(
        namespace=one.namespace,
        key=one.key,
        data=bytes(one.data),
        version=one.expected_version + 1,
        updated_at=now,
        session=one.session,
        state=one.state,
        due_at=one.due_at,
    )


def _fields(record: Record, attempt: str) -> dict[str, Any]:
    key, session = record.key, record.session
    head, state = digest(record.namespace), digest(record.state)
    owner = None if session is None else owner_of(session)
    return {
        "body": _encoder.encode(record),
        "by": attempt,
        "owner": owner,
        "by_key": place(head, key),
        "by_state": place(head + state, key),
        "by_session": None if owner is None else place(head + owner, key),
        "by_both": None if owner is None else place(head + owner + state, key),
        "by_due": None if record.due_at is None else place(head + ordered(record.due_at), key),
    }


def _record(found: Found) -> Record:
    return _decoder.decode(found.fields["body"])


def _path(namespace: str, key: str) -> str:
    return f"{RECORDS}/{name_of(namespace, key)}"
