"""What the checks have in common: holders of one database, messages, and ways to say what was expected."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from emonk.clock import Clock
from emonk.errors import StaleSession
from emonk.events import Event, InboxItem, ToolReturned, UserSaid
from emonk.ids import uuid7
from emonk.messages import Text, ToolResult
from emonk.records import Owner, Reply, SessionKey
from emonk.store.owners import enlist, retire
from emonk.store.protocol import Append, Claimed, Finish, Release, Store
from emonk.testing.clock import ManualClock

T = TypeVar("T")
Connect = Callable[[Clock], Awaitable[Store]]

SESSION = SessionKey("clerk", "s1")
OTHER = SessionKey("clerk", "s2")
ODD = ("a/b", "..", "'; DROP TABLE x; --", "nul\0\x10nul", "%s $1 *", "\U0001f701" * 3000, "k" * 10_000)
"""Texts that are ids like any other."""
NOTHING: list[object] = []
HALF = "half a \ud83d character"
"""No text, so no id."""


class ConformanceError(AssertionError):
    """The store does not do what the protocol says."""


class Rig:
    """A database under test, its clock, and the owners that claim its sessions.

    Attributes:
        clock: the one clock of every holder; it moves only by `advance`.
    """

    def __init__(self, connect: Connect) -> None:
        self.clock = ManualClock()
        self._connect = connect
        self._stores: list[Store] = []
        self._owners: list[Owner] = []

    async def open(self) -> Store:
        """One more holder of the database."""
        store = await self._connect(self.clock)
        self._stores.append(store)
        return store

    def owner(self) -> Owner:
        """Somebody alive in this process."""
        owner = enlist()
        self._owners.append(owner)
        return owner

    async def aclose(self) -> None:
        """Close every holder and retire every owner."""
        for owner in self._owners:
            retire(owner)
        for store in self._stores:
            await store.aclose()


Check = Callable[[Rig], Awaitable[None]]


def message(text: str, *, session: SessionKey = SESSION, message_id: str = "", user_id: str = "ada") -> InboxItem:
    """A user's message as it is accepted; its text is its id too, unless one is given."""
    name = message_id or text
    event = UserSaid(message_id=name, user_id=user_id, trace_id="0" * 31 + "1", parts=(Text(text),))
    return InboxItem(session, name, user_id, event)


def note(content: str) -> Event:
    """An event for the log that can be told from others."""
    return ToolReturned(result=ToolResult(uuid7(), "note", content))


def answer(claimed: Claimed, text: str = "ok") -> Reply:
    """The reply to the message of a claimed turn."""
    item = claimed.item
    return Reply(text=text, status="done", session_id=item.session.session_id, message_id=item.message_id, trace_id="")


async def accept_and_claim(store: Store, item: InboxItem, owner: Owner) -> Claimed:
    """The turn that a message opens at once."""
    return present((await store.accept(item, owner=owner)).claimed, "the turn of a message that nothing precedes")


async def finish(store: Store, claimed: Claimed, *events: Event, text: str = "ok") -> int:
    """Close a claimed turn and give its lease back."""
    operations = (Append(events), Finish(answer(claimed, text)), Release())
    return await store.commit(operations, fence=claimed.lease, expected_revision=claimed.revision)


def equal(got: object, expected: object, what: str) -> None:
    """Raises `ConformanceError` unless both are equal."""
    if got != expected:
        raise ConformanceError(f"{what}: expected {expected!r}, got {got!r}")


def holds(condition: object, what: str) -> None:
    """Raises `ConformanceError` unless the condition holds."""
    if not condition:
        raise ConformanceError(what)


def present(value: T | None, what: str) -> T:
    """The value; raises `ConformanceError` when it is None."""
    if value is None:
        raise ConformanceError(f"there is no {what}")
    return value


async def refused(kind: type[Exception], attempt: Callable[[], Awaitable[object]], what: str) -> Exception:
    """The error of a call or of what it gives to await; raises `ConformanceError` unless it is exactly of that kind."""
    try:
        await attempt()
    except kind as error:
        if type(error) is kind:
            return error
        raise ConformanceError(f"{what}: expected {kind.__name__}, got {error!r}") from error
    except Exception as error:
        raise ConformanceError(f"{what}: expected {kind.__name__}, got {error!r}") from error
    raise ConformanceError(f"not refused: {what}")


async def stale(attempt: Awaitable[object], what: str) -> None:
    """Raises `ConformanceError` unless the write is refused as stale."""
    try:
        await attempt
    except StaleSession:
        return
    raise ConformanceError(f"not refused: {what}")
