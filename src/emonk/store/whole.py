"""A session that is written as a whole: new, or as it was exported."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from emonk.events import Logged, Summarised
from emonk.records import Session, SessionKey
from emonk.store.change import Row, encoded
from emonk.store.grant import short_title
from emonk.store.limits import check_texts, decoded_metadata, encoded_metadata


class Whole(msgspec.Struct, frozen=True):
    """A session with its encoded log and metadata, and the cutoff of its latest summary; a `new` one has no times."""

    session: Session
    metadata: bytes
    events: tuple[Row, ...] = ()
    cutoff: int = 0
    new: bool = False

    def at(self, now: int) -> Session:
        """The session, which begins now if it is new."""
        if not self.new:
            return self.session
        return msgspec.structs.replace(self.session, created_at=now, last_active=now)


def new(session: SessionKey, user_id: str, title: str, metadata: Mapping[str, Any] | None) -> Whole:
    """A session that begins once it is written.

    Raises:
        InvalidConfig: the metadata are no JSON, or a text is none.
    """
    check_texts(session.agent, session.session_id, user_id, title)
    data = encoded_metadata(metadata)
    made = Session(
        agent=session.agent,
        session_id=session.session_id,
        user_id=user_id,
        participants=(user_id,),
        created_at=0,
        last_active=0,
        title=short_title(title),
        metadata=decoded_metadata(data),
    )
    return Whole(made, data, new=True)


def restored(session: Session, events: Sequence[Logged]) -> Whole:
    """A session as it was, which holds for every backend alike.

    Raises:
        ValueError: the events are not the whole log of the session.
        InvalidConfig: the metadata are no JSON, or a text is none.
    """
    _check_whole(session, events)
    check_texts(session.agent, session.session_id, session.user_id, session.title, *session.participants)
    rows = tuple((entry.revision, entry.at, encoded(entry.event)) for entry in events)
    kept = msgspec.structs.replace(session, participants=_participants(session))
    return Whole(kept, encoded_metadata(session.metadata), rows, _cutoff(events))


def _check_whole(session: Session, events: Sequence[Logged]) -> None:
    numbered = enumerate(events, start=1)
    if session.revision != len(events) or any(entry.revision != number for number, entry in numbered):
        raise ValueError(f"The events are not those from 1 to {session.revision} of session {session.session_id}")


def _cutoff(events: Sequence[Logged]) -> int:
    """As `commit` keeps it; 0 without a summary."""
    for entry in reversed(events):
        if isinstance(entry.event, Summarised):
            return min(entry.event.cutoff, entry.revision - 1)
    return 0


def _participants(session: Session) -> tuple[str, ...]:
    """Who began it comes first."""
    if not session.user_id:
        return session.participants
    return tuple(dict.fromkeys((session.user_id, *session.participants)))
