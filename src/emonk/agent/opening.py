"""From what an agent is made of to one whose turns can run."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack

import msgspec

from emonk.agent.memory import Memory, open_memory, prompt_now
from emonk.agent.models import ModelOpener, known_keys, room_for
from emonk.agent.parts import check_tools, instruct
from emonk.clock import Clock
from emonk.costs.book import PriceBook
from emonk.costs.budgets import Budgets
from emonk.costs.spending import Spending
from emonk.memory.doors import Kept
from emonk.memory.prompt import Prompt, read_prompt
from emonk.observe.alerts import Alerts
from emonk.observe.section import AlertsSection
from emonk.resilience.deadline import Deadlines
from emonk.resilience.guards import Guards
from emonk.resilience.section import ResilienceSection
from emonk.routing.assessment import USUAL
from emonk.routing.decision import Role
from emonk.routing.opening import Routing, open_routing
from emonk.routing.roles import Given
from emonk.routing.section import RoutingSection
from emonk.runtime.bills import Bills
from emonk.runtime.compression.reader import result_reader
from emonk.runtime.compression.section import ContextSection
from emonk.runtime.limits import Limits
from emonk.runtime.sessions import Sessions
from emonk.runtime.setup import Setup
from emonk.skills.protocol import Runnable
from emonk.skills.skill import Skill
from emonk.store.connect import connect, default_url
from emonk.store.owners import enlist, retire
from emonk.store.protocol import Store
from emonk.store.usage_protocol import UsageStore


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent is made of; see `Agent`.

    Attributes:
        alerts_section: what its file says where no `alerts` were given.
        billed_in: the store of its usage rows, where that is not the one of its sessions.
        purpose: what its calls are for, where that is always the same.
    """

    name: str
    models: Mapping[Role, Given]
    instructions: str
    tools: Sequence[Runnable]
    skills: Sequence[Skill]
    memory: Memory
    store: str | Store | None
    limits: Limits
    budgets: Budgets
    context: ContextSection
    prices: PriceBook
    resilience: ResilienceSection | None
    alerts: Alerts | None
    clock: Clock
    routing: RoutingSection = USUAL
    alerts_section: AlertsSection = AlertsSection()
    billed_in: UsageStore | None = None
    purpose: str = ""

    async def connect(self, opened: AsyncExitStack) -> Store:
        """Its store; one that was given open belongs to who gave it."""
        if self.store is not None and not isinstance(self.store, str):
            return self.store
        store = await connect(self.store or default_url(), clock=self.clock)
        opened.push_async_callback(store.aclose)
        return store

    async def prompt(self, other: Store) -> str:
        """The instructions that its turns would have now, started or not; see `prompt_now`."""
        return await prompt_now(self.memory, self.name, self.instructions, own=self.connect, other=other)

    def open_alerts(self, opened: AsyncExitStack) -> Alerts | None:
        """Those that were given, which belong to who gave them, or what the file describes."""
        if self.alerts is not None or self.alerts_section == AlertsSection():
            return self.alerts
        alerts = self.alerts_section.open(secrets=known_keys(), clock=self.clock)
        opened.push_async_callback(alerts.aclose)
        return alerts


class Started(msgspec.Struct, frozen=True):
    """What a started agent has."""

    store: Store
    kept: Kept
    sessions: Sessions
    notices: Sequence[str]


def _price_hint(made: Definition, *, allowed: bool) -> str:
    """What becomes of the costs of a model without a price."""
    if made.limits.usd is not None:
        return "`limits.usd` wants a price: without it, its costs are shown as unknown"
    if not made.budgets:
        return "its costs are shown as unknown"
    if allowed:
        return "its calls count for nothing in `budgets`"
    return "`budgets` want a price: with `unpriced: allow` it starts, and its calls count for nothing in them"


def _idle_routing(made: Definition) -> Iterator[str]:
    """What of the section is never asked, and why."""
    set_up = [key for key in ("classifier", "threshold") if getattr(made.routing, key) is not None]
    if set_up and "worker" not in made.models:
        keys = " and ".join(f"routing.{key}" for key in set_up)
        yield f"without a worker (`llm.worker`) nothing is routed: {keys} {'do' if set_up[1:] else 'does'} nothing"
    elif set_up == ["threshold"]:
        yield "routing.threshold does nothing without routing.classifier"


async def start(made: Definition, guards: Guards, opened: AsyncExitStack) -> Started:
    """Open what an agent needs for its turns; `opened` closes it.

    Raises:
        ConfigError: a missing key, a model without a known price, a store that cannot be used.
        InfraError: the store cannot serve now.
    """
    check_tools(made.tools)
    allowed = made.prices.unpriced == "allow"
    limited = made.limits.usd is not None or bool(made.budgets)
    needs = made.limits.usd is not None or (limited and not allowed)
    tells = limited or not allowed
    opener = ModelOpener(
        opened,
        guards,
        made.prices,
        made.clock,
        needs_price=needs,
        tells_price=tells,
        price_hint=_price_hint(made, allowed=allowed),
    )
    routing = await asyncio.to_thread(open_routing, made.routing) if made.routing.classifier else Routing(made.routing)
    candidates = await opener.open(made.models, made.routing)
    store = await made.connect(opened)
    files, memory_notices = await open_memory(made.memory, made.name, store, opened)
    prompt = await read_prompt(files, made.instructions) if files else Prompt(made.instructions)
    skilled = instruct(prompt.text, made.skills)
    room = await room_for(candidates, made.context, skilled, made.tools)
    kept = Kept(made.name, store, files)
    billed_in = store if made.billed_in is None else made.billed_in
    bills = Bills(billed_in, apart=made.billed_in is not None)
    opened.callback(bills.flush)
    owner = enlist()
    opened.callback(retire, owner)
    setup = Setup(
        agent=made.name,
        instructions=skilled,
        candidates=candidates,
        tools={tool.name: tool for tool in made.tools},
        limits=made.limits,
        clock=made.clock,
        guards=guards,
        kept=kept,
        alerts=made.open_alerts(opened),
        room=room,
        reader=result_reader(store, room.shown),
        prices=made.prices,
        bills=bills,
        purpose=made.purpose,
        spending=Spending(made.name, made.budgets, billed_in, made.clock) if limited else None,
        routing=routing,
        in_time=Deadlines(made.limits.seconds, made.clock),
    )
    opened.callback(setup.in_time.close)
    opened.callback(setup.gathering.close)
    sessions = Sessions(setup, store, owner)
    opened.push_async_callback(sessions.close)
    return Started(store, kept, sessions, (*prompt.notices, *memory_notices, *_idle_routing(made), *opener.notices))
