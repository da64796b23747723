"""What a store does, in the plainest way: the model that a real one is compared with."""

from emonk.clock import MICROSECONDS
from emonk.errors import StaleSession
from emonk.events import Event
from emonk.records import Owner, Reply, SessionKey
from emonk.store.protocol import INBOX_LIMIT, LEASE_SECONDS, Append, Finish, Operation

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


class Session:
    """One session in memory."""

    def __init__(self, now: int) -> None:
        self.messages: list[Message] = []
        self.log: list[Event] = []
        self.fence = now
        self.owner: Owner | None = None
        self.expires = 0

    @property
    def participants(self) -> set[str]:
        return {message.user_id for message in self.messages}

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
        session = self.sessions[key]
        if not self.held(key, fence) or revision != len(session.log):
            raise StaleSession("stale")
        for operation in operations:
            if isinstance(operation, Finish):
                message = session.find(operation.reply.message_id)
                if message is None or message.revision is None or message.reply is not None:
                    raise StaleSession("not being answered")
        for operation in operations:
            match operation:
                case Append():
                    session.log.extend(operation.events)
                case Finish():
                    message = session.find(operation.reply.message_id)
                    assert message is not None
                    message.reply = operation.reply
                case _:
                    session.owner = None
        return len(session.log)

    def renew(self, key: SessionKey, fence: int) -> bool:
        """Whether the lease was still held."""
        if not self.held(key, fence):
            return False
        self.sessions[key].expires = self.now + LEASE
        return True

    def held(self, key: SessionKey, fence: int) -> bool:
        session = self.sessions[key]
        return session.owner is not None and session.fence == fence

    def lapsed(self, session: Session) -> bool:
        return session.owner is None or session.expires <= self.now or session.owner in self.dead

    def due(self) -> list[SessionKey]:
        ready = [
            (session.next.order, key) for key, session in self.sessions.items() if session.next and self.lapsed(session)
        ]
        return [key for _, key in sorted(ready)]
