"""The conversation of `emonk chat`: a prompt, a turn, a prompt."""

import asyncio
import os
import shlex
import sys
from contextlib import suppress
from pathlib import Path

from emonk.agent import Agent
from emonk.cli.attempt import attempt
from emonk.cli.progress import watch
from emonk.cli.terminal import bold, note, say
from emonk.cli.transcript import transcript
from emonk.errors import EmonkError, InfraError
from emonk.extend import styled
from emonk.ids import uuid7
from emonk.records import SessionKey
from emonk.store.connect import data_dir

HISTORY_LINES = 1000
SHOWN_MESSAGES = 6
HELP = """\
/new        begin a new session
/session    say which session this is
/later      have the last message answered when a language model can be reached again
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

    def hold(self) -> None:
        """Talk until the user leaves."""
        if self._resumed:
            self._recall()
        say(f"{bold(self._agent.name, sys.stdout)} on {self._agent.model_spec}. /help lists the commands.")
        with _History(data_dir() / "chat_history"):
            while (line := self._read()) is not None and self._obey(line.strip()):
                pass
        if self._used:
            note(f"the session is kept: emonk chat {shlex.quote(self._named)} --session {shlex.quote(self._session)}")

    def _read(self) -> str | None:
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
                pass
            case "/quit" | "/exit":
                return False
            case "/help":
                say(HELP)
            case "/session":
                say(self._session)
            case "/later":
                self._keep()
            case "/new":
                self._session, self._used, self._last = uuid7(), False, ""
                say("a new session begins")
            case word if word.startswith("/") and "/" not in word[1:]:
                note(f"there is no command {word}; /help lists them")
            case _:
                self._turn(line)
        return True

    def _turn(self, line: str) -> None:
        self._used = True
        self._last = line
        events = self._agent.stream(line, session_id=self._session)
        try:
            reply = attempt(self._runner, watch(events, sys.stdout, texts=True))
        except EmonkError as error:
            note(f"error: {error}")
            return
        if reply is None:
            say("")
            note("stopped; the session goes on")
        elif reply.degraded:
            note("/later has this message answered when a language model can be reached again")

    def _keep(self) -> None:
        if not self._last:
            note("nothing was said yet that could be answered later")
            return
        try:
            accepted = self._runner.run(self._agent.enqueue(self._last, session_id=self._session))
        except EmonkError as error:
            note(f"error: {error}")
            return
        if accepted:
            say("kept: emonk serve answers it as soon as a model can be reached, or this session when you come back")
        else:
            note("too many messages of this session wait already")

    def _recall(self) -> None:
        """Finish a turn that a crash left open, and show the last messages."""
        try:
            attempt(self._runner, self._agent.resume(self._session))
        except InfraError as error:
            note(f"error: {error}")
        key = SessionKey(self._agent.name, self._session)
        events = self._runner.run(self._agent.store.read(key))
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


def _prompt() -> str:
    """The prompt; its colour codes are marked as taking no room, for the line editor."""
    return "\x01\x1b[1m\x02>\x01\x1b[22m\x02 " if styled(sys.stdout) else "> "
