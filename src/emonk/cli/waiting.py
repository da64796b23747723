"""The messages of a dialogue that wait for a language model, and their answers."""

import asyncio
import sys

from emonk.agent import Agent
from emonk.cli.attempt import attempt
from emonk.cli.progress import watch
from emonk.cli.terminal import note, one_line, say
from emonk.errors import EmonkError
from emonk.ids import uuid7
from emonk.records import Reply, SessionKey
from emonk.runtime.asking import Postponed

WIDTH = 70
KEPT = "kept: it is asked again before your next message, or when you press Enter"
STILL = "no language model yet: it stays kept"


class Waiting:
    """What one session keeps, by message_id, in its order.

    While the user types nothing runs here. What another process answered meanwhile is shown all the same.
    """

    def __init__(self, runner: asyncio.Runner, agent: Agent, session: str) -> None:
        self._runner = runner
        self._agent = agent
        self._session = session
        self._kept: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._kept

    def ask(self, text: str, message_id: str) -> Reply | None:
        """Run a message's turn and show it, or the reply that it has by now; None when it was interrupted.

        Raises:
            Postponed: it waits for a language model.
            EmonkError: it was not accepted, or its turn cannot go on for now.
        """
        events = self._agent.stream(text, session_id=self._session, message_id=message_id)
        return attempt(self._runner, watch(events, sys.stdout, texts=True))

    def remember(self, text: str, message_id: str) -> None:
        """Ask again for a message that was accepted and waits."""
        self._kept[message_id] = text

    def keep(self, text: str) -> str | None:
        """Have a message wait; its id, None when it was not accepted, which is told."""
        message_id = uuid7()
        try:
            accepted = self._runner.run(
                self._agent.enqueue(text, session_id=self._session, message_id=message_id),
            )
        except EmonkError as error:
            note(f"error: {error}")
            return None
        if not accepted:
            note("not kept: too many messages of this session wait already")
            return None
        self.remember(text, message_id)
        say(KEPT)
        return message_id

    def show_answered(self) -> None:
        """Show what another process answered."""
        while self._kept and self._answered(next(iter(self._kept))) and self._next():
            pass

    def catch_up(self) -> bool:
        """Ask again for all that waits, and show it; False when something waits on or the user interrupted it."""
        while self._kept:
            if not self._next():
                return False
        return True

    def _next(self) -> bool:
        message_id, text = next(iter(self._kept.items()))
        note(f"kept: {one_line(text, WIDTH)}")
        try:
            reply = self.ask(text, message_id)
        except Postponed:
            note(STILL)
            return False
        except EmonkError as error:
            note(f"error: {error}; it stays kept")
            return False
        del self._kept[message_id]
        if reply is None:
            say("")
            note("stopped; it is kept no longer")
        return reply is not None

    def _answered(self, message_id: str) -> bool:
        try:
            reply = self._runner.run(self._agent.store.reply(SessionKey(self._agent.name, self._session), message_id))
        except EmonkError as error:
            note(f"error: {error}")
            return False
        return reply is not None
