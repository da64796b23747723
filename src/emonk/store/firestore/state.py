"""A session's own document: everything of it but its log, the messages and the large texts."""

from typing import Any, NamedTuple

import msgspec

from emonk.records import Owner, Session, SessionKey
from emonk.store.firestore.documents import Found
from emonk.store.firestore.layout import digest, log_path, name_of, ordered


class Waiting(msgspec.Struct, frozen=True, array_like=True):
    """A message without a reply: the name of its document, and where its event lies in the log once its turn began.

    `order` is the server's time of its acceptance, by which it stands among those of other sessions.
    """

    name: str
    order: int
    revision: int | None = None


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the document holds as JSON. Times are UTC microseconds.

    `queue` has the unfinished messages, the oldest first. `granted` and `committed` name the last attempts that gave a
    lease away and that wrote under one, by which an attempt whose answer was lost finds out that it succeeded.
    """

    agent: str
    session_id: str
    generation: str
    created_at: int
    last_active: int
    fence: int
    user_id: str = ""
    participants: tuple[str, ...] = ()
    revision: int = 0
    cutoff: int = 0
    message_count: int = 0
    title: str = ""
    token_count: int = 0
    metadata: dict[str, Any] = {}
    owner: Owner | None = None
    expires: int = 0
    queue: tuple[Waiting, ...] = ()
    granted: str = ""
    committed: str = ""

    @property
    def key(self) -> SessionKey:
        return SessionKey(self.agent, self.session_id)

    @property
    def log(self) -> str:
        """The path that its collections lie under."""
        return log_path(self.key, self.generation)


class Held(NamedTuple):
    """A state, and when its document was written."""

    state: State
    seen: Any


_decoder = msgspec.json.Decoder(State)
_encoder = msgspec.json.Encoder()


def held(found: Found) -> Held:
    """The state that a document holds."""
    return Held(_decoder.decode(found.fields["body"]), found.updated)


def fields_of(state: State) -> dict[str, Any]:
    """The document of a state, with what it is found by."""
    agent = digest(state.agent)
    return {
        "body": _encoder.encode(state),
        "agent": agent.hex(),
        "session": name_of(state.session_id),
        "users": [name_of(user) for user in state.participants],
        "last_active": state.last_active,
        "due": agent + ordered(state.queue[0].order) if state.queue else None,
    }


def info(state: State) -> Session:
    """As it stands in a listing."""
    return Session(
        agent=state.agent,
        session_id=state.session_id,
        user_id=state.user_id,
        participants=state.participants,
        created_at=state.created_at,
        last_active=state.last_active,
        revision=state.revision,
        message_count=state.message_count,
        title=state.title,
        token_count=state.token_count,
        context_compressed=state.cutoff > 0,
        metadata=state.metadata,
    )
