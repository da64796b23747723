"""A session as JSON lines: what is exported, shown to programs, and imported again.

The first line is `{"format": "emonk.session", "version": 1, "session": {...}}`, then each event has one, in order.
Files of version 0.1.0 have no first line.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgspec

from emonk.errors import InvalidConfig
from emonk.events import Event, Logged, ModelSaid, Opaque, UserSaid, decode
from emonk.messages import ToolCall, UserMessage
from emonk.records import Session

FORMAT = "emonk.session"
VERSION = 1
PAGE = 500
"""Events that are read at a time."""

_PLACE = frozenset({"revision", "at"})
_NUMBERS = 1 << 63
"""What a database keeps."""

LATEST = 253_370_764_800_000_000
"""Of times, in UTC microseconds: the year 9999, which calendars can still tell in every time zone."""

_encoder = msgspec.json.Encoder(decimal_format="number")


def encode(value: object) -> bytes:
    """JSON, with amounts of money as numbers."""
    return _encoder.encode(value)


def session_json(info: Session) -> dict[str, Any]:
    """A session in a listing; times are UTC microseconds."""
    return msgspec.structs.asdict(info)


def call_json(call: ToolCall) -> dict[str, Any]:
    """`{"id", "name", "arguments"}`."""
    return {"id": call.id, "name": call.name, "arguments": call.arguments}


def event_json(logged: Logged) -> dict[str, Any]:
    """`{"revision", "at", "kind", ...}` with the event's own fields; `at` is UTC microseconds.

    A user's and a model's message also carry their `text`, a model's its `tool_calls`.
    """
    place: dict[str, Any] = {"revision": logged.revision, "at": logged.at}
    return place | _fields(logged.event) | _convenience(logged.event) | place


def header(session: Session) -> bytes:
    """The first line, without its end."""
    return encode({"format": FORMAT, "version": VERSION, "session": session_json(session)})


def names(line: str | bytes) -> tuple[str | None, str | None]:
    """The agent and the session of which the first line says that it describes them; None where it says nothing."""
    with suppress(InvalidConfig):
        match _object(line):
            case {"session": {"agent": str(agent), "session_id": str(session_id)}}:
                return agent, session_id
            case _:
                pass
    return None, None


class Read(msgspec.Struct, frozen=True):
    """What the lines hold; `session` is None where there is no header."""

    session: Session | None
    events: tuple[Logged, ...]


async def read_lines(lines: "AsyncIterator[str | bytes] | Iterable[str | bytes]", name: str = "line") -> Read:
    """The session that `header` and `event_json` wrote, by this version or another.

    Args:
        lines: with or without their ends.
        name: what the messages call them: `NAME:NUMBER`.

    Raises:
        InvalidConfig: a line is no event, the revisions are not 1, 2, 3, ..., or some are missing; names the line.
    """
    session: Session | None = None
    events: list[Logged] = []
    number = 0
    async for line in _each(lines):
        number += 1
        if not line.strip():
            continue
        try:
            fields = _object(line)
            if "format" in fields and "revision" not in fields:
                if number > 1:
                    raise InvalidConfig("a second session begins; each has a file of its own")
                session = _session(fields)
            else:
                events.append(_logged(line, fields, len(events) + 1))
        except InvalidConfig as error:
            raise InvalidConfig(f"{name}:{number}: {error.message}", hint=error.hint) from error
    if session is not None and session.revision != len(events):
        said = f"ends at revision {len(events)} of {session.revision}"
        raise InvalidConfig(f"{name}:{number}: {said}", hint="it was cut off: export the session again")
    return Read(session, tuple(events))


async def _each(lines: "AsyncIterator[str | bytes] | Iterable[str | bytes]") -> AsyncIterator[str | bytes]:
    if isinstance(lines, AsyncIterator):
        async for line in lines:
            yield line
    else:
        for line in lines:
            yield line


def _object(line: str | bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InvalidConfig(f"is no JSON object: {error}") from error
    except RecursionError as error:
        raise InvalidConfig("is nested too deep") from error


def _session(fields: dict[str, Any]) -> Session:
    if fields["format"] != FORMAT:
        raise InvalidConfig(f"is of the format {fields['format']!r:.80}", hint=f"a session's is {FORMAT}")
    version = fields.get("version")
    if not isinstance(version, int) or version < 1:
        raise InvalidConfig(f"is of the version {version!r:.80}", hint="a whole number from 1")
    if version > VERSION:
        raise InvalidConfig(f"was written by a newer emonk (version {version}, this one knows {VERSION})")
    try:
        session = msgspec.convert(fields.get("session"), Session)
    except msgspec.ValidationError as error:
        raise InvalidConfig(f"describes no session: {error}") from error
    if not session.session_id:
        raise InvalidConfig("describes no session: its session_id is empty")
    for name, most in (("created_at", LATEST), ("last_active", LATEST), ("token_count", _NUMBERS)):
        number: int = getattr(session, name)
        if not 0 <= number < most:
            raise InvalidConfig(f"describes no session: its {name} is {number!r:.80}")
    return session


def _logged(line: str | bytes, fields: dict[str, Any], expected: int) -> Logged:
    revision, at = fields.get("revision"), fields.get("at")
    if not (isinstance(revision, int) and isinstance(at, int)) or isinstance(revision, bool) or isinstance(at, bool):
        raise InvalidConfig("is no event", hint="an event has revision, at and kind")
    if revision != expected:
        raise InvalidConfig(f"has revision {revision} where {expected} follows")
    if not 0 <= at < LATEST:
        raise InvalidConfig(f"has the time {at!r:.80}", hint="UTC microseconds since 1970")
    if not isinstance(fields.get("kind"), str):
        raise InvalidConfig("is no event", hint="an event has revision, at and kind")
    try:
        event = decode(line.encode() if isinstance(line, str) else line)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InvalidConfig(f"is no event of its kind: {error}") from error
    if isinstance(event, Opaque):
        event = Opaque(event.kind, {key: value for key, value in event.data.items() if key not in _PLACE})
    return Logged(revision, at, event)


def _fields(event: Event) -> dict[str, Any]:
    if isinstance(event, Opaque):
        return {**event.data, "kind": event.kind}
    return msgspec.to_builtins(event, builtin_types=(Decimal,))


def _convenience(event: Event) -> dict[str, Any]:
    match event:
        case UserSaid(parts=parts):
            return {"text": UserMessage(parts).text}
        case ModelSaid(message=message):
            return {"text": message.text, "tool_calls": [call_json(call) for call in message.tool_calls]}
        case _:
            return {}
