"""The conversation of `emonk chat`: a prompt, a turn, a prompt."""

import asyncio
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from emonk.agent import Agent
from emonk.cli.attempt import attempt
from emonk.cli.terminal import bold, note, say
from emonk.cli.transcript import transcript
from emonk.cli.waiting import Waiting
from emonk.errors import EmonkError, InfraError
from emonk.events import Logged, TurnCancelled, TurnFinished, UserSaid
from emonk.extend import styled
from emonk.ids import uuid7
from emonk.messages import UserMessage
from emonk.records import SessionKey
from emonk.runtime.asking import Postponed
from emonk.store.connect import data_dir

HISTORY_LINES = 1000
SHOWN_MESSAGES = 6
HELP = """\
/new        begin a new session
/session    say which session this is
/later      keep the last message until a language model can be reached again; Enter alone tries it
/help       this list
/quit       leave (so do ctrl-d and ctrl-c)
ctrl-c while the agent works stops it and keeps the session"""


class Dialogue:
    """Reads lines and runs a turn for each, on one event loop that rests while the user types."""

    def __init__(self, runner: asyncio.Runner, agent: Agent, session: str | None, *, named: str) -> None:
        self._runner = runner
        self._named = named
        self._agent = agent
        self._session = session or uuid7()
        self._resumed = session is not None
        self._used = session is not None
        self._last = ""
        self._last_kept = ""
        self._waiting = Waiting(runner, agent, self._session)

    def hold(self) -> None:
        """Talk until the user leaves."""
        if self._resumed:
            self._recall()
        say(f"{bold(self._agent.name, sys.stdout)} on {self._agent.model_spec}. /help lists the commands.")
        with _History(data_dir() / "chat_history"):
            while (line := self._read()) is not None and self._obey(line.strip()):
                pass
        if self._used:
            if self._waiting:
                note(f"waiting for a language model: {len(self._waiting)}; emonk serve asks again, or this session")
            note(f"the session is kept: emonk chat {shlex.quote(self._named)} --session {shlex.quote(self._session)}")

    def _read(self) -> str | None:
        self._waiting.show_answered()
        try:
            return input(_prompt())
        except (EOFError, KeyboardInterrupt):
            say("")
            return None
        except UnicodeDecodeError:
            note("that line is not UTF-8; it was not sent")
            return ""

    def _obey(self, line: str) -> bool:
        """Do what a line says; False to leave."""
        match line.split(maxsplit=1)[0] if line else "":
            case "":
                self._waiting.catch_up()
            case "/quit" | "/exit":
                return False
            case "/help":
                say(HELP)
            case "/session":
                say(self._session)
            case "/later":
                self._keep()
            case "/new":
                self._renew()
            case word if word.startswith("/") and "/" not in word[1:]:
                note(f"there is no command {word}; /help lists them")
            case _:
                self._turn(line)
        return True

    def _renew(self) -> None:
        if self._waiting:
            note(f"what waits is asked again by emonk serve, or by emonk chat with --session {self._session}")
        self._session, self._used, self._last, self._last_kept = uuid7(), False, "", ""
        self._waiting = Waiting(self._runner, self._agent, self._session)
        say("a new session begins")

    def _turn(self, line: str) -> None:
        self._used = True
        if not self._waiting.catch_up():
            self._behind(line)
            return
        self._last, self._last_kept = line, ""
        message_id = uuid7()
        try:
            reply = self._waiting.ask(line, message_id)
        except Postponed as error:
            self._waiting.remember(line, message_id)
            self._last_kept = message_id
            note(f"{error}; Enter asks again")
            return
        except EmonkError as error:
            note(f"error: {error}")
            return
        if reply is None:
            say("")
            note("stopped; the session goes on")
        elif reply.degraded:
            note("/later keeps this message until a language model can be reached again")

    def _behind(self, line: str) -> None:
        """What is said while something waits is answered after that."""
        if self._waiting:
            self._last, self._last_kept = line, self._waiting.keep(line) or ""
        else:
            note("your message was not sent")

    def _keep(self) -> None:
        if not self._last:
            note("nothing was said yet that could be answered later")
        elif not self._last_kept:
            self._last_kept = self._waiting.keep(self._last) or ""
        elif self._last_kept in self._waiting:
            note("it is kept already; Enter asks again")
        else:
            note("it has its answer")

    def _recall(self) -> None:
        """Finish a turn that a crash left open, and show the last messages."""
        try:
            attempt(self._runner, self._agent.resume(self._session))
        except Postponed as error:
            note(f"{error}; Enter asks again")
        except InfraError as error:
            note(f"error: {error}")
        key = SessionKey(self._agent.name, self._session)
        events = self._runner.run(self._agent.store.read(key))
        if (open_one := _unanswered(events)) is not None:
            self._waiting.remember(UserMessage(open_one.parts).text, open_one.message_id)
        if not events:
            note(f"there is no session {self._session} yet; it begins now")
        for line in transcript(events, sys.stdout, last=SHOWN_MESSAGES):
            say(line)


class _History:
    """The lines of earlier conversations, for the line editor; readable by their owner only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        with suppress(ImportError, OSError):
            import readline  # noqa: PLC0415  not on every platform, and only for a dialogue

            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            readline.set_history_length(HISTORY_LINES)
            readline.read_history_file(self._path)

    def __exit__(self, *_: object) -> None:
        with suppress(ImportError, OSError):
            import readline  # noqa: PLC0415

            readline.write_history_file(self._path)
            self._path.chmod(0o600)


def _unanswered(events: Sequence[Logged]) -> UserSaid | None:
    """The message whose turn has no end yet."""
    for logged in reversed(events):
        match logged.event:
            case UserSaid() as said:
                return said
            case TurnFinished() | TurnCancelled():
                return None
            case _:
                pass
    return None


def _prompt() -> str:
    """The prompt; its colour codes are marked as taking no room, for the line editor."""
    return "\x01\x1b[1m\x02>\x01\x1b[22m\x02 " if styled(sys.stdout) else "> "
