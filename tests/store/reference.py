"""What a store does, in the plainest way: the model that a real one is compared with."""

from emonk.clock import MICROSECONDS
from emonk.errors import Conflict, StaleSession
from emonk.events import Event
from emonk.records import Owner, Reply, SessionKey
from emonk.store.protocol import INBOX_LIMIT, LEASE_SECONDS, Append, Finish, Operation
from emonk.store.record_protocol import Put
from emonk.store.words import words

LEASE = int(LEASE_SECONDS * MICROSECONDS)


class Message:
    """A message and what became of it: waiting, then in the log at `revision`, then answered by `reply`."""

    def __init__(self, order: int, message_id: str, user_id: str, event: Event) -> None:
        self.order = order
        self.message_id = message_id
        self.user_id = user_id
        self.event = event
        self.revision: int | None = None
        self.reply: Reply | None = None


class Record:
    """A record's version, data and session."""

    def __init__(self, put: Put, session: SessionKey | None) -> None:
        self.version = put.expected_version + 1
        self.data = put.data
        self.session = session


class Session:
    """One session in memory; one that was restored had messages and users before."""

    def __init__(self, now: int, *, begun: int = 0, users: frozenset[str] = frozenset()) -> None:
        self._begun = begun
        self._users = users
        self.messages: list[Message] = []
        self.log: list[Event] = []
        self.fence = now
        self.owner: Owner | None = None
        self.expires = 0

    @property
    def participants(self) -> set[str]:
        return {message.user_id for message in self.messages} | self._users

    @property
    def begun(self) -> int:
        return self._begun + sum(message.revision is not None for message in self.messages)

    @property
    def next(self) -> Message | None:
        return next((message for message in self.messages if message.reply is None), None)

    @property
    def waiting(self) -> int:
        return sum(message.revision is None for message in self.messages)

    def find(self, message_id: str) -> Message | None:
        return next((message for message in self.messages if message.message_id == message_id), None)


class Reference:
    """A store whose clock and dead owners are set from outside."""

    def __init__(self) -> None:
        self.sessions: dict[SessionKey, Session] = {}
        self.records: dict[str, Record] = {}
        self.memories: dict[str, str] = {}
        self.dead: set[Owner] = set()
        self.now = 0
        self._order = 0

    def accept(self, key: SessionKey, message_id: str, user_id: str, event: Event, owner: Owner | None) -> str:
        """`new`, `repeated` or `full`; with `claimed` after it when the owner got the turn."""
        session = self.sessions.setdefault(key, Session(self.now))
        found = session.find(message_id)
        state = "repeated" if found else "full" if session.waiting >= INBOX_LIMIT else "new"
        if state == "full":
            return state
        if found is None:
            self._order += 1
            found = Message(self._order, message_id, user_id, event)
            session.messages.append(found)
        if owner is not None and session.next is found and self.claim(key, owner):
            return f"{state} claimed"
        return state

    def claim(self, key: SessionKey, owner: Owner) -> bool:
        """Whether the owner got the turn."""
        session = self.sessions.get(key)
        if session is None or session.next is None or not self.lapsed(session):
            return False
        message = session.next
        if message.revision is None:
            session.log.append(message.event)
            message.revision = len(session.log)
        session.owner, session.fence, session.expires = owner, session.fence + 1, self.now + LEASE
        return True

    def commit(self, key: SessionKey, fence: int, revision: int, operations: list[Operation]) -> int:
        """The new revision.

        Raises:
            StaleSession: refused.
        """
        session = self.sessions.get(key)
        if session is None or not self.held(key, fence) or revision != len(session.log):
            raise StaleSession("stale")
        for operation in operations:
            if isinstance(operation, Finish):
                message = session.find(operation.reply.message_id)
                if message is None or message.revision is None or message.reply is not None:
                    raise StaleSession("not being answered")
        puts = [operation for operation in operations if isinstance(operation, Put)]
        self.put(puts, key)
        for operation in operations:
            match operation:
                case Append():
                    session.log.extend(operation.events)
                case Finish():
                    message = session.find(operation.reply.message_id)
                    assert message is not None
                    message.reply = operation.reply
                case Put():
                    pass
                case _:
                    session.owner = None
        return len(session.log)

    def put(self, puts: list[Put], session: SessionKey | None = None) -> None:
        """Raises:
        Conflict: one of them is refused, and so are all.
        """
        for put in puts:
            present = self.records.get(put.key)
            if put.expected_version != (present.version if present else 0):
                raise Conflict("another version")
        for put in puts:
            self.records[put.key] = Record(put, session or put.session)

    def delete(self, key: SessionKey) -> bool | None:
        """Whether there was a session; None where somebody writes to it."""
        session = self.sessions.get(key)
        if session is None:
            return False
        if not self.lapsed(session):
            return None
        del self.sessions[key]
        self.records = {name: record for name, record in self.records.items() if record.session != key}
        return True

    def restore(self, key: SessionKey, log: list[Event], begun: int, users: frozenset[str]) -> None:
        """Raises:
        Conflict: there is one.
        """
        if key in self.sessions:
            raise Conflict("there already")
        self.sessions[key] = Session(self.now, begun=begun, users=users)
        self.sessions[key].log = list(log)

    def search(self, query: str) -> set[str]:
        """Keys of what holds a word of the query."""
        asked = set(words(query))
        return {key for key, text in self.memories.items() if asked.intersection(words(key, text))}

    def renew(self, key: SessionKey, fence: int) -> bool:
        """Whether the lease was still held."""
        if not self.held(key, fence):
            return False
        self.sessions[key].expires = self.now + LEASE
        return True

    def held(self, key: SessionKey, fence: int) -> bool:
        session = self.sessions.get(key)
        return session is not None and session.owner is not None and session.fence == fence

    def lapsed(self, session: Session) -> bool:
        return session.owner is None or session.expires <= self.now or session.owner in self.dead

    def due(self) -> list[SessionKey]:
        ready = [
            (session.next.order, key) for key, session in self.sessions.items() if session.next and self.lapsed(session)
        ]
        return [key for _, key in sorted(ready)]
