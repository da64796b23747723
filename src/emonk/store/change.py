"""Events and operations as bytes, to and from which no transaction should wait."""

from collections.abc import Iterable, Sequence

import msgspec

from emonk.clock import MICROSECONDS
from emonk.errors import InvalidConfig
from emonk.events import Event, Logged, Summarised, decode, encode
from emonk.records import Reply, SessionKey, UsageRow
from emonk.store.bill import distinct
from emonk.store.limits import checked_puts
from emonk.store.protocol import LEASE_SECONDS, Append, Bill, Finish, Operation, Release
from emonk.store.record_protocol import Put
from emonk.store.refusals import no_text

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
    token_count: int | None
    release: bool
    puts: tuple[Put, ...] = ()
    rows: tuple[UsageRow, ...] = ()


def change(operations: Sequence[Operation], revision: int) -> Change:
    """What the operations come to on top of `revision`.

    Raises:
        ValueError: they are in no order that has a meaning, or what they hold cannot be kept.
        InvalidConfig: a text of them is none.
    """
    events: list[bytes] = []
    puts: list[Put] = []
    rows: list[UsageRow] = []
    cutoff = reply = token_count = None
    message_id, release = "", False
    for operation in operations:
        if release:
            raise ValueError("Release must be the last operation")
        if isinstance(operation, Append):
            cutoff = _cutoff(operation.events, revision + len(events)) or cutoff
            events += _all_encoded(operation.events)
        elif isinstance(operation, Bill):
            rows += operation.rows
        elif isinstance(operation, Finish):
            if reply is not None:
                raise ValueError("A commit finishes one turn")
            reply, message_id = _encoded_reply(operation.reply), operation.reply.message_id
            token_count = operation.token_count
        elif isinstance(operation, Release):
            release = True
        else:
            puts.append(operation)
    return Change(
        tuple(events),
        cutoff,
        reply,
        message_id,
        token_count,
        release,
        checked_puts(puts) if puts else (),
        distinct(rows) if rows else (),
    )


def _cutoff(events: Sequence[Event], revision: int) -> int | None:
    """What the last summary of the events covers, at most what comes before it."""
    for number in range(len(events) - 1, -1, -1):
        event = events[number]
        if isinstance(event, Summarised):
            return min(event.cutoff, revision + number)
    return None


def encoded(event: Event) -> bytes:
    """The event as it lies in a log.

    Raises:
        InvalidConfig: it holds half a character.
    """
    try:
        return encode(event)
    except UnicodeEncodeError as error:
        raise no_text(error) from None


def _all_encoded(events: Sequence[Event]) -> list[bytes]:
    try:
        return [encode(event) for event in events]
    except UnicodeEncodeError as error:
        raise no_text(error) from None


def _encoded_reply(reply: Reply) -> bytes:
    try:
        return _json.encode(reply)
    except UnicodeEncodeError as error:
        raise no_text(error) from None


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
