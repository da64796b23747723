"""An agent: a model, its instructions and its tools, with sessions that survive."""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

from emonk.agent.expiry import age
from emonk.agent.file import not_available, read_agent_file
from emonk.agent.memory import Memory, memory_skills
from emonk.agent.opening import Definition, Started, start
from emonk.agent.parts import cannot_run, check_text, collect, instruct
from emonk.agent.reconcile import reconcile
from emonk.agent.sessions import AgentSessions
from emonk.agent.task import done, hinted, read_task
from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.costs.book import PriceBook
from emonk.costs.budgets import Budgets
from emonk.costs.section import PriceOverride
from emonk.errors import ConfigError, InvalidArguments, InvalidConfig
from emonk.events import InboxItem, UserSaid
from emonk.ids import trace_id as new_trace_id
from emonk.ids import uuid7
from emonk.memory.doors import Doors
from emonk.messages import Text
from emonk.observe.alerts import Alerts
from emonk.observe.trace import get_trace_id
from emonk.records import Effect, Reply, SessionKey
from emonk.resilience.guards import Guards
from emonk.resilience.section import ResilienceSection
from emonk.routing.assessment import USUAL
from emonk.routing.roles import Given, by_role, spec_of
from emonk.routing.section import RoutingSection
from emonk.runtime.compression.section import ContextSection
from emonk.runtime.limits import Limits
from emonk.runtime.progress import TurnEvent, TurnReplied
from emonk.skills.loader import load_skills
from emonk.skills.protocol import Runnable
from emonk.skills.skill import Skill
from emonk.store.protocol import Store
from emonk.store.usage_protocol import UsageStore

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Agent:
    """A single-purpose agent.

    Args:
        name: letters, digits, `-`, `_` and `.`; sessions belong to it.
        model: a model string such as `gemini:gemini-3.5-flash` or `offline`, an object that satisfies
            `emonk.models.Model`, or a mapping of these: `lead`, and if you like `worker`, which does what is not too
            hard for it, and `fallback`, which answers when the lead cannot.
        instructions: the system prompt.
        tools: functions decorated with `@tool`.
        skills: skills with tools and instructions of their own.
        memory: whether it remembers things for its users, and has files of its own; `True` keeps these in the data
            directory, a `MemorySection` (of `emonk.memory.section`) says where.
        store: a store URL, an open store, or None for the embedded one in the data directory.
        limits: where a turn ends with status `limit`.
        budgets: what a session, a user in a day and the agent in a month may spend: `Budgets` of `emonk.costs`.
        unpriced: what to do about a model whose price is not known: `notice` says at the start that its costs will be
            unknown, `allow` says nothing. With a limit in USD it is refused.
        prices: what models cost where that is not what `genai-prices` says: `PriceOverride` of `emonk.costs`.
        resilience: retries, circuit breakers and limits, for each kind of dependency.
        alerts: who is told what a person must see; by default the log is.
        expire_after: sessions that were not active for so long are removed by whoever pumps due turns, such as `90d`.
        context: how long a conversation may become before it is summarised.
        routing: where the lines between worker and lead are drawn, and the classifier that is asked.
        clock: what measures time.

    Raises:
        InvalidConfig: a name, tool or model that cannot be used.
    """

    continues_tasks = True
    """A task of the same `message_id` goes on where it was not finished: see `execute`."""

    def __init__(
        self,
        name: str,
        model: Given | Mapping[str, Given] = "offline",
        *,
        instructions: str = "",
        tools: Sequence[Runnable] = (),
        skills: Sequence[Skill] = (),
        memory: Memory = False,
        store: str | Store | None = None,
        limits: Limits | None = None,
        budgets: Budgets | None = None,
        unpriced: Literal["notice", "allow"] = "notice",
        prices: Sequence[PriceOverride] = (),
        resilience: ResilienceSection | None = None,
        alerts: Alerts | None = None,
        expire_after: str | None = None,
        context: ContextSection | None = None,
        routing: RoutingSection | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        if not (isinstance(name, str) and _NAME.fullmatch(name)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidConfig(f"{name!r} cannot be an agent's name", hint="letters, digits, - _ . and at most 64")
        if limits is not None and not hasattr(limits, "steps"):
            raise InvalidConfig(f"limits is {limits!r}", hint="write limits=Limits(steps=8)")
        if budgets is not None and not hasattr(budgets, "session_usd"):
            raise InvalidConfig(f"budgets is {budgets!r}", hint="write budgets=Budgets(session_usd=1)")
        if alerts is not None and not hasattr(alerts, "raise_alert"):
            raise InvalidConfig(f"alerts is {alerts!r}", hint="write alerts=Alerts([...])")
        if context is not None and not hasattr(context, "within"):
            raise InvalidConfig(f"context is {context!r}", hint="write context=ContextSection(budget=50_000)")
        if routing is not None and not hasattr(routing, "worker_seconds"):
            raise InvalidConfig(f"routing is {routing!r}", hint="write routing=RoutingSection(worker_seconds=5)")
        own_skills = memory_skills(memory)
        self.name = name
        self.tools = collect(tools, skills, own_skills)
        self.skills = (*skills, *own_skills)
        self.guards = Guards(resilience, clock=clock)
        self.expire_after = None if expire_after is None else age("expire_after", expire_after)
        self._made = Definition(
            name=name,
            models=by_role(model),
            instructions=instructions,
            tools=self.tools,
            skills=self.skills,
            memory=memory,
            store=store,
            limits=limits or Limits(),
            budgets=budgets or Budgets(),
            context=context or ContextSection(),
            prices=PriceBook(prices, unpriced=unpriced),
            routing=routing or USUAL,
            resilience=resilience,
            alerts=alerts,
            clock=clock,
        )
        self._notices = cannot_run(self.tools, self.skills)
        self._start_notices: Sequence[str] = ()
        self._started: Started | None = None
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
            memory=section.remembers(path.parent),
            store=store or section.store,
            limits=section.limits,
            budgets=section.budgets,
            unpriced=section.llm.unpriced,
            prices=section.prices,
            resilience=section.resilience,
            expire_after=section.sessions.expire_after,
            context=section.context,
            routing=section.routing.below(path.parent),
        )
        agent._notices[:0] = not_available(section, path.parent)
        agent._made = msgspec.structs.replace(agent._made, alerts_section=section.alerts)
        return agent

    def variant(
        self,
        *,
        model: Given | None = None,
        instructions: str | None = None,
        tools: Sequence[Runnable],
        store: str | Store,
        billed_in: UsageStore | None = None,
        purpose: str = "",
    ) -> "Agent":
        """Another agent, not started, with these tools and this store, whose alerts only the log gets.

        Its name, limits, budgets and resilience are this one's, and so are model and instructions where none are given.
        Its calls are billed for `purpose`, and in `billed_in` where that is not the store itself.
        """
        made = self._made
        other = Agent(
            self.name,
            model or {str(role): one for role, one in made.models.items()},
            instructions=instruct(made.instructions if instructions is None else instructions, self.skills),
            tools=tools,
            store=store,
            limits=made.limits,
            budgets=made.budgets,
            unpriced="allow",
            prices=made.prices.overrides,
            resilience=made.resilience,
            context=made.context,
            routing=made.routing,
            alerts=Alerts(),
            clock=made.clock,
        )
        other._made = msgspec.structs.replace(other._made, billed_in=billed_in, purpose=purpose)
        return other

    async def prompt(self, other: Store) -> str:
        """The instructions that its turns would have now, started or not; its own store is used, or else `other`."""
        return await self._made.prompt(other)

    @property
    def notices(self) -> tuple[str, ...]:
        """What was asked for and is not available, one line each."""
        return (*self._notices, *self._start_notices)

    @property
    def model_spec(self) -> str:
        """The lead model's string."""
        return spec_of(self._made.models["lead"])

    @property
    def store(self) -> Store:
        """The store of a started agent."""
        return self._running().store

    def doors(self, user_id: str) -> Doors:
        """What the tools of a started agent reach in a user's calls: memories, records and files."""
        return self._running().kept.doors(user_id)

    @property
    def sessions(self) -> AgentSessions:
        """The sessions of a started agent: to list, name, take away, bring back and delete."""
        return AgentSessions(self.name, lambda: self.store)

    async def start(self) -> None:
        """Open the model and the store.

        Raises:
            ConfigError: a missing key, a model without a known price, a store that cannot be used.
            InfraError: the store cannot serve now.
        """
        if self._open is not None:
            return
        async with AsyncExitStack() as opened:
            self._started = await start(self._made, self.guards, opened)
            self._start_notices, self._open = self._started.notices, opened.pop_all()

    async def aclose(self) -> None:
        """Stop. Turns that run are left unfinished, to be resumed by the next start."""
        opened, self._open = self._open, None
        if opened is not None:
            await opened.aclose()
        self._started = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def process_message(
        self,
        text: str,
        *,
        session_id: str | None = None,
        user_id: str = "local",
        message_id: str | None = None,
        complexity: str | None = None,
    ) -> Reply:
        """Accept a message, run its turn and return the reply; never raises for what a model or a tool does.

        The message is durable before anything else happens. A repeated `message_id` gets the first one's reply.
        Cancelling the caller ends the turn as `cancelled`.

        Args:
            text: what the user says.
            session_id: the conversation; a new one when None.
            user_id: who says it.
            message_id: names the message once and for all; made when None.
            complexity: `simple`, `moderate` or `complex`, where you know it better than routing.

        Raises:
            InvalidArguments: the text is empty, or is not Unicode text.
            InvalidConfig: there is no such complexity.
            InfraError: the message could not be accepted, or the store failed during its turn; an accepted message
                is kept and its turn goes on later.
        """
        item = self._item(text, session_id, user_id, message_id, hints=hinted(complexity))
        return await self._running().sessions.deliver(item)

    async def stream(
        self,
        text: str,
        *,
        session_id: str | None = None,
        user_id: str = "local",
        message_id: str | None = None,
        complexity: str | None = None,
    ) -> AsyncGenerator[TurnEvent]:
        """As `process_message`, but yields what happens meanwhile; the last event is `TurnReplied`.

        Leaving the iteration early ends the turn as `cancelled` (close the generator to be sure of when).
        """
        events: asyncio.Queue[TurnEvent | None] = asyncio.Queue()
        item = self._item(text, session_id, user_id, message_id, hints=hinted(complexity))
        turn = asyncio.create_task(self._running().sessions.deliver(item, events.put_nowait))
        turn.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            yield TurnReplied(await turn)
        finally:
            turn.cancel()
            await asyncio.wait({turn})

    async def enqueue(
        self, text: str, *, session_id: str, user_id: str = "local", message_id: str | None = None
    ) -> bool:
        """Accept a message without waiting for its reply; False when too many of the session wait already.

        It is answered by a language model as soon as one can be reached, never by rules alone, by whoever pumps due
        turns (`emonk serve`, `emonk.turns.Pump`) or resumes the session. Later messages of the session wait for it.

        Raises:
            InvalidArguments: the text is empty, or is not Unicode text.
            InfraError: the message could not be accepted.
        """
        return await self._running().sessions.keep(self._item(text, session_id, user_id, message_id, patient=True))

    async def execute(self, task: Mapping[str, Any]) -> Reply:
        """Do one thing in a session of its own, or raise why it was not done; see `execute_with_recovery`.

        Args:
            task: `input`, what to do; if you like `context`, a list of messages before it (of `emonk.messages`, or
                mappings with `role` and `content`), `model` (`lead` or `worker`), `session_id`, `user_id`, and
                `message_id`, which names the task: the same one again goes on with what was not finished. Routing goes
                by `complexity`, `type`, `context_length`, `requires_reasoning` and `steps`, and an answer has to call
                the `required_tool` first.

        Raises:
            InvalidConfig: the task cannot be understood.
            AgentError, InfraError, ConfigError: as the reply's `reason` says.
        """
        read = read_task(task, [tool.name for tool in self.tools])
        session, number = self._key(read.session_id), 0
        message_id = f"{read.message_id}.0"
        while (earlier := await self.store.reply(session, message_id)) is not None:
            if earlier.status == "done":
                return earlier
            number += 1
            message_id = f"{read.message_id}.{number}"
        said = {"lead": read.escalated, "purpose": "execute", "hints": read.hints}
        item = self._item(read.text, read.session_id, read.user_id, message_id, **said)
        reply = await self._running().sessions.deliver(item)
        return done(reply, wait=self._running().sessions.wait())

    async def cancel(self, session_id: str) -> bool:
        """End the turn that runs in a session as `cancelled`; whether there was one in this process."""
        return await self._running().sessions.cancel(self._key(session_id))

    async def resume(self, session_id: str) -> Reply | None:
        """Run what waits in a session or was left unfinished by a crash; the last reply, or None."""
        return await self._running().sessions.resume(self._key(session_id))

    async def reconcile(self, session_id: str) -> list[Effect]:
        """Ask the tools once for every `unknown` effect of a session; the effects that are settled now.

        The conversation is not told. What is `sending` is left to its turn.

        Raises:
            InfraError, ConfigError: the store cannot be read or written, or the agent is not started.
        """
        return await reconcile(self, session_id, clock=self._made.clock)

    def _item(self, text: str, session_id: str | None, user_id: str, message_id: str | None, **said: Any) -> InboxItem:
        check_text(text, session_id, user_id, message_id)
        if not text.strip():
            raise InvalidArguments("the message is empty")
        message_id = message_id or uuid7()
        trace_id = get_trace_id() or new_trace_id()
        parts = (Text(text),)
        event = UserSaid(message_id=message_id, user_id=user_id, trace_id=trace_id, parts=parts, **said)
        return InboxItem(self._key(session_id or uuid7()), message_id, user_id, event)

    def _key(self, session_id: str) -> SessionKey:
        return SessionKey(self.name, session_id)

    def _running(self) -> Started:
        if self._started is None:
            raise ConfigError(f"agent {self.name} is not started", hint="use it inside `async with agent:`")
        return self._started
