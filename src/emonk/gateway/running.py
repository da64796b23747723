"""Turns that were asked for over HTTP: they run on when the client goes away, and can be watched again."""

import asyncio
from collections.abc import AsyncIterator, Callable

from emonk.agent import Agent
from emonk.records import Reply, SessionKey
from emonk.runtime.progress import TurnEvent, TurnReplied


class ShuttingDownError(Exception):
    """The server ends; a turn that is not finished resumes when it starts again."""


class RunningTurn:
    """A turn in a task of its own, and everything it has said so far."""

    def __init__(self, events: AsyncIterator[TurnEvent], on_end: Callable[[], None]) -> None:
        self._said: list[TurnEvent] = []
        self._more = asyncio.Event()
        self._left = False
        self._on_end = on_end
        self.task = asyncio.create_task(self._run(events))
        self.task.add_done_callback(self._ended)

    async def after(self, position: int) -> list[TurnEvent]:
        """What the turn said from `position` on, waiting for it to say something; nothing when it is over."""
        while len(self._said) <= position and not self._over:
            await self._more.wait()
        return self._said[position:]

    def check(self) -> None:
        """Tell how the turn ended.

        Raises:
            ShuttingDownError: the server ends before the turn does.
            EmonkError: as the turn raised it.
        """
        if not self.task.done() or self.task.cancelled():
            raise ShuttingDownError
        self.task.result()

    async def reply(self) -> Reply:
        """The turn's reply, when it has one; raises as `check` does."""
        position = 0
        while said := await self.after(position):
            position += len(said)
            if isinstance(said[-1], TurnReplied):
                return said[-1].reply
        self.check()
        raise ShuttingDownError

    @property
    def _over(self) -> bool:
        return self._left or self.task.done()

    def leave(self) -> None:
        """Send the watchers away; the turn itself is not touched."""
        self._left = True
        self._wake()

    async def _run(self, events: AsyncIterator[TurnEvent]) -> None:
        async for event in events:
            self._said.append(event)
            self._wake()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._on_end()
        if not task.cancelled():
            task.exception()
        self._wake()

    def _wake(self) -> None:
        self._more.set()
        self._more = asyncio.Event()


class RunningTurns:
    """The turns under way, by session and message."""

    def __init__(self) -> None:
        self._turns: dict[tuple[SessionKey, str], RunningTurn] = {}
        self._closing = False

    def start(self, agent: Agent, session_id: str, message_id: str, text: str, *, stream: bool) -> RunningTurn:
        """Run a message's turn, or join it when it is under way already.

        Raises:
            ShuttingDownError: the server takes nothing new.
        """
        if self._closing:
            raise ShuttingDownError
        key = (SessionKey(agent.name, session_id), message_id)
        turn = self._turns.get(key)
        if turn is None:
            ask = agent.stream if stream else _without_deltas(agent)
            events = ask(text, session_id=session_id, message_id=message_id)
            turn = self._turns[key] = RunningTurn(events, lambda: self._forget(key))
        return turn

    async def close(self, grace: float) -> None:
        """Take nothing new, give what runs `grace` seconds to finish, then send its watchers away."""
        self._closing = True
        turns = list(self._turns.values())
        if turns:
            await asyncio.wait([turn.task for turn in turns], timeout=grace)
        for turn in turns:
            turn.leave()

    def _forget(self, key: tuple[SessionKey, str]) -> None:
        self._turns.pop(key, None)


def _without_deltas(agent: Agent) -> Callable[..., AsyncIterator[TurnEvent]]:
    async def ask(text: str, *, session_id: str, message_id: str) -> AsyncIterator[TurnEvent]:
        yield TurnReplied(await agent.process_message(text, session_id=session_id, message_id=message_id))

    return ask
