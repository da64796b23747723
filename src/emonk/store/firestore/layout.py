"""Where things lie in Firestore, and by which fields they are found.

All collections lie under one document, `emonk/PREFIX`. The names of documents are digests, since an id can be of any
length and hold whatever a name must not. What is looked for by range or order is a field of bytes that begins with the
digest of what must be equal: so every query but the listings of sessions needs only the index that Firestore makes of
every field by itself.

A session's log, inbox and large texts lie apart from it, under `emonk_logs`, in the name of its `generation`: one that
begins anew under the same key shares nothing with the one that was deleted.
"""

import hashlib

import msgspec

from emonk.records import SessionKey
from emonk.store.refusals import no_text

SESSIONS = "emonk_sessions"
LOGS = "emonk_logs"
EVENTS = "emonk_events"
INBOX = "emonk_inbox"
PARTS = "emonk_parts"
REMOVALS = "emonk_removals"
RECORDS = "emonk_records"
USAGE = "emonk_usage"
MEMORIES = "emonk_memories"

_json = msgspec.json.Encoder()
_OFFSET = 1 << 63


def digest(*texts: str) -> bytes:
    """20 bytes that stand for texts of any length.

    Raises:
        InvalidConfig: one of them is no text.
    """
    try:
        data = _json.encode(texts)
    except UnicodeEncodeError as error:
        raise no_text(error) from None
    return hashlib.blake2b(data, digest_size=20).digest()


def name_of(*texts: str) -> str:
    """A document's name that stands for texts of any length."""
    return digest(*texts).hex()


def session_path(key: SessionKey) -> str:
    """The document of a session."""
    return f"{SESSIONS}/{name_of(key.agent, key.session_id)}"


def log_path(key: SessionKey, generation: str) -> str:
    """The document, never written, that the collections of a session lie under."""
    return f"{LOGS}/{name_of(key.agent, key.session_id)}-{generation}"


def event_name(revision: int) -> str:
    """The name of an event's document; names sort as revisions do."""
    return f"{revision:012d}"


def ordered(number: int) -> bytes:
    """8 bytes that sort as signed integers do."""
    return (number + _OFFSET).to_bytes(8)


def after_all(start: bytes) -> bytes:
    """What sorts after everything that begins with `start` and goes on with valid UTF-8 or a plausible time."""
    return start + b"\xff"
