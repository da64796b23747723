"""An agent: a model, its instructions and its tools, with sessions that survive."""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal, Self

from emonk.agent.file import not_available, read_agent_file
from emonk.agent.parts import cannot_run, check_text, check_tools, collect, instruct, lead_model
from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.costs import check_priced
from emonk.errors import ConfigError, InvalidArguments, InvalidConfig, UnknownPrice
from emonk.events import InboxItem, UserSaid
from emonk.ids import trace_id as new_trace_id
from emonk.ids import uuid7
from emonk.messages import Text
from emonk.models import Model, create
from emonk.observe.trace import get_trace_id
from emonk.records import Reply, SessionKey
from emonk.runtime.limits import Limits
from emonk.runtime.progress import TurnEvent, TurnReplied
from emonk.runtime.sessions import Sessions
from emonk.runtime.turn import Setup
from emonk.skills.loader import load_skills
from emonk.skills.protocol import Runnable
from emonk.skills.skill import Skill
from emonk.store.connect import connect, default_url
from emonk.store.owners import enlist, retire
from emonk.store.protocol import Store

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Agent:
    """A single-purpose agent.

    Args:
        name: letters, digits, `-`, `_` and `.`; sessions belong to it.
        model: a model string such as `gemini:gemini-2.0-flash` or `offline`, a mapping with `lead` (and `worker`,
            `fallback`), or an object that satisfies `emonk.models.Model`.
        instructions: the system prompt.
        tools: functions decorated with `@tool`.
        skills: skills with tools and instructions of their own.
        store: a store URL, an open store, or None for the embedded one in the data directory.
        limits: where a turn ends with status `limit`.
        unpriced: what to do about a model whose price is not known: `notice` says at the start that its costs will be
            unknown, `allow` says nothing. With a limit in USD it is refused.
        clock: what measures time.

    Raises:
        InvalidConfig: a name, tool or model that cannot be used.
    """

    def __init__(
        self,
        name: str,
        model: str | Mapping[str, str] | Model = "offline",
        *,
        instructions: str = "",
        tools: Sequence[Runnable] = (),
        skills: Sequence[Skill] = (),
        store: str | Store | None = None,
        limits: Limits | None = None,
        unpriced: Literal["notice", "allow"] = "notice",
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        if not _NAME.fullmatch(name):
            raise InvalidConfig(f"{name!r} cannot be an agent's name", hint="letters, digits, - _ . and at most 64")
        if limits is not None and not hasattr(limits, "steps"):
            raise InvalidConfig(f"limits is {limits!r}", hint="write limits=Limits(steps=8)")
        self.name = name
        self.skills = tuple(skills)
        self.tools = collect(tools, self.skills)
        self._given_model, unused = lead_model(model)
        self._notices = [*unused, *cannot_run(self.tools, self.skills)]
        self._price_notice = ""
        self._instructions = instruct(instructions, self.skills)
        self._given_store = store
        self._limits = limits or Limits()
        self._unpriced = unpriced
        self._clock = clock
        self._sessions: Sessions | None = None
        self._store: Store | None = None
        self._open: AsyncExitStack | None = None

    @classmethod
    def from_file(cls, path: Path | str, *, model: str | None = None, store: str | None = None) -> Self:
        """The agent that an `agent.yaml` describes; `model` and `store` override what it says.

        Raises:
            InvalidConfig: the file cannot be used; names file, line and key.
        """
        path = Path(path)
        section = read_agent_file(path)
        skills = load_skills(path.parent / section.skills_dir) if section.skills_dir else ()
        agent = cls(
            section.name,
            model or section.llm.specs(),
            instructions=section.system_prompt,
            skills=skills,
            store=store or section.store,
            limits=section.limits,
            unpriced=section.llm.unpriced,
        )
        agent._notices[:0] = not_available(section, path.parent)
        return agent

    @property
    def notices(self) -> tuple[str, ...]:
        """What was asked for and is not available, one line each."""
        return (*self._notices, *([self._price_notice] if self._price_notice else []))

    @property
    def model_spec(self) -> str:
        """The lead model's string."""
        return self._given_model if isinstance(self._given_model, str) else self._given_model.spec

    @property
    def store(self) -> Store:
        """The store of a started agent."""
        if self._store is None:
            raise self._not_started()
        return self._store

    async def start(self) -> None:
        """Open the model and the store.

        Raises:
            ConfigError: a missing key, a model without a known price, a store that cannot be used.
            InfraError: the store cannot serve now.
        """
        if self._open is not None:
            return
        async with AsyncExitStack() as opened:
            check_tools(self.tools)
            model = await self._create_model(opened)
            store = await self._connect(opened)
            owner = enlist()
            opened.callback(retire, owner)
            tools = {tool.name: tool for tool in self.tools}
            setup = Setup(self.name, self._instructions, model, tools, self._limits, self._clock)
            sessions = Sessions(setup, store, owner)
            opened.push_async_callback(sessions.close)
            self._store, self._sessions, self._open = store, sessions, opened.pop_all()

    async def aclose(self) -> None:
        """Stop. Turns that run are left unfinished, to be resumed by the next start."""
        opened, self._open = self._open, None
        if opened is not None:
            await opened.aclose()
        self._store = self._sessions = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def process_message(
        self, text: str, *, session_id: str | None = None, user_id: str = "local", message_id: str | None = None
    ) -> Reply:
        """Accept a message, run its turn and return the reply; never raises for what a model or a tool does.

        The message is durable before anything else happens. A repeated `message_id` gets the first one's reply.
        Cancelling the caller ends the turn as `cancelled`.

        Args:
            text: what the user says.
            session_id: the conversation; a new one when None.
            user_id: who says it.
            message_id: names the message once and for all; made when None.

        Raises:
            InvalidArguments: the text is empty, or is not Unicode text.
            InfraError: the message could not be accepted, or the store failed during its turn; an accepted message
                is kept and its turn goes on later.
        """
        return await self._running().deliver(self._item(text, session_id, user_id, message_id))

    async def stream(
        self, text: str, *, session_id: str | None = None, user_id: str = "local", message_id: str | None = None
    ) -> AsyncGenerator[TurnEvent]:
        """As `process_message`, but yields what happens meanwhile; the last event is `TurnReplied`.

        Leaving the iteration early ends the turn as `cancelled` (close the generator to be sure of when).
        """
        events: asyncio.Queue[TurnEvent | None] = asyncio.Queue()
        item = self._item(text, session_id, user_id, message_id)
        turn = asyncio.create_task(self._running().deliver(item, events.put_nowait))
        turn.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            yield TurnReplied(await turn)
        finally:
            turn.cancel()
            await asyncio.wait({turn})

    async def cancel(self, session_id: str) -> bool:
        """End the turn that runs in a session as `cancelled`; whether there was one in this process."""
        return self._running().cancel(SessionKey(self.name, session_id))

    async def resume(self, session_id: str) -> Reply | None:
        """Run what waits in a session or was left unfinished by a crash; the last reply, or None."""
        return await self._running().resume(SessionKey(self.name, session_id))

    def _item(self, text: str, session_id: str | None, user_id: str, message_id: str | None) -> InboxItem:
        check_text(text, session_id, user_id, message_id)
        if not text.strip():
            raise InvalidArguments("the message is empty")
        message_id = message_id or uuid7()
        trace_id = get_trace_id() or new_trace_id()
        said = UserSaid(message_id=message_id, user_id=user_id, trace_id=trace_id, parts=(Text(text),))
        return InboxItem(SessionKey(self.name, session_id or uuid7()), message_id, user_id, said)

    async def _create_model(self, opened: AsyncExitStack) -> Model:
        given = self._given_model
        model = create(given) if isinstance(given, str) else given
        if model is not given:
            opened.push_async_callback(model.aclose)
        try:
            await asyncio.to_thread(check_priced, model.spec)
        except UnknownPrice as error:
            if self._limits.usd is not None:
                raise
            if isinstance(given, str) and self._unpriced != "allow":
                self._price_notice = f"{error.message}: its costs are shown as unknown"
        return model

    async def _connect(self, opened: AsyncExitStack) -> Store:
        given = self._given_store
        if given is not None and not isinstance(given, str):
            return given
        store = await connect(given or default_url(), clock=self._clock)
        opened.push_async_callback(store.aclose)
        return store

    def _running(self) -> Sessions:
        if self._sessions is None:
            raise self._not_started()
        return self._sessions

    def _not_started(self) -> ConfigError:
        return ConfigError(f"agent {self.name} is not started", hint="use it inside `async with agent:`")
