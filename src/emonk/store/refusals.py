"""Why a store refuses, in the same words for every backend."""

from emonk.errors import Conflict, InvalidConfig, Unavailable
from emonk.records import SessionKey

_SHOWN = 100


def busy(session: SessionKey) -> Unavailable:
    """Why a session is not deleted now."""
    return Unavailable(
        f"Session {session.session_id[:_SHOWN]!r} of {session.agent[:_SHOWN]!r} is being written to",
        hint="try again when its turn has ended",
        code="session_busy",
    )


def exists(session: SessionKey) -> Conflict:
    """Why a session does not begin."""
    return Conflict(f"Session {session.session_id[:_SHOWN]!r} of {session.agent[:_SHOWN]!r} is there already")


def changed(namespace: str, key: str, present: int, expected: int) -> Conflict:
    """Why a record is not written; version 0 is for none."""
    name = f"Record {key[:_SHOWN]!r} of {namespace[:_SHOWN]!r}"
    return Conflict(f"{name} is at version {present}, not {expected}" if present else f"{name} is not there")


def no_text(error: UnicodeEncodeError) -> InvalidConfig:
    """What it means that a text cannot be encoded."""
    code = ord(error.object[error.start])
    return InvalidConfig(
        f"A text holds half a character (U+{code:04X}), so it cannot be kept",
        hint="replace what is no Unicode before it gets here",
        code="invalid_text",
    )
