"""Events and operations as bytes, to and from which no transaction should wait."""

from collections.abc import Iterable, Sequence

import msgspec

from emonk.clock import MICROSECONDS
from emonk.errors import InvalidConfig
from emonk.events import Logged, Summarised, decode, encode
from emonk.records import SessionKey
from emonk.store.protocol import LEASE_SECONDS, Append, Finish, Operation, Release

LEASE_MICROSECONDS = int(LEASE_SECONDS * MICROSECONDS)
_json = msgspec.json.Encoder()

Row = tuple[int, int, bytes]
"""An event as it lies in the log: revision, time and encoded."""


class Change(msgspec.Struct, frozen=True):
    """Operations, encoded before they are handed to the writer."""

    events: tuple[bytes, ...]
    cutoff: int | None
    reply: bytes | None
    message_id: str
    release: bool


def change(operations: Sequence[Operation], revision: int) -> Change:
    """What the operations come to on top of `revision`.

    Raises:
        ValueError: they are in no order that has a meaning.
    """
    events: list[bytes] = []
    cutoff = reply = None
    message_id, release = "", False
    for operation in operations:
        if release:
            raise ValueError("Release must be the last operation")
        match operation:
            case Append():
                for event in operation.events:
                    events.append(encode(event))
                    if isinstance(event, Summarised):
                        cutoff = min(event.cutoff, revision + len(events) - 1)
            case Finish():
                if reply is not None:
                    raise ValueError("A commit finishes one turn")
                reply, message_id = _json.encode(operation.reply), operation.reply.message_id
            case Release():
                release = True
    return Change(tuple(events), cutoff, reply, message_id, release)


def decoded(session: SessionKey, rows: Iterable[Row]) -> list[Logged]:
    """The events of the rows.

    Raises:
        InvalidConfig: one of them cannot be read.
    """
    return [_logged(session, *row) for row in rows]


def _logged(session: SessionKey, revision: int, at: int, data: bytes) -> Logged:
    try:
        return Logged(revision, at, decode(data))
    except msgspec.DecodeError as error:
        raise InvalidConfig(f"Event {revision} of session {session.session_id} cannot be read: {error}") from error
