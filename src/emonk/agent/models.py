"""The models of an agent by role, opened for its turns."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from emonk.clock import Clock
from emonk.costs.book import PriceBook
from emonk.errors import ConfigError, UnknownPrice
from emonk.models import Model, create
from emonk.models.retired import notice
from emonk.models.specs import dependency_of
from emonk.models.windows import window_of
from emonk.resilience.guards import Guards
from emonk.routing.complexity import TaskComplexity
from emonk.routing.decision import Role
from emonk.routing.roles import Given
from emonk.routing.section import RoutingSection
from emonk.runtime.candidates import Candidate, Candidates
from emonk.runtime.compression.room import Room, room_of
from emonk.runtime.compression.section import ContextSection
from emonk.skills.protocol import Runnable

KEYS = ("GEMINI_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY")


def known_keys() -> list[str]:
    """The keys of model providers that the environment holds: what no alert may show."""
    return [key for name in KEYS if (key := os.environ.get(name))]


class ModelOpener:
    """Opens models while an agent starts.

    Attributes:
        notices: what cannot be used or told, one line each.
    """

    def __init__(
        self,
        opened: AsyncExitStack,
        guards: Guards,
        prices: PriceBook,
        clock: Clock,
        *,
        needs_price: bool,
        tells_price: bool,
        price_hint: str,
    ) -> None:
        """Open models that are closed with `opened`.

        Args:
            opened: the life of the agent.
            guards: for their calls.
            prices: of the agent.
            clock: tells whether a model is retired by now.
            needs_price: a model without a known price is refused.
            tells_price: else it is a notice.
            price_hint: what then becomes of its costs, and how it may start.
        """
        self._opened = opened
        self._guards = guards
        self._prices = prices
        self._clock = clock
        self._needs_price = needs_price
        self._tells_price = tells_price
        self._price_hint = price_hint
        self.notices: list[str] = []

    async def open(self, given: Mapping[Role, Given], section: RoutingSection) -> Candidates:
        """All of them; a worker or fallback that cannot be opened is a notice.

        Raises:
            ConfigError: the lead cannot be opened, or a model has no known price and needs one.
        """
        members: list[Candidate] = []
        for role, one in given.items():
            try:
                model = await _created(one) if isinstance(one, str) else one
            except ConfigError as error:
                if role == "lead":
                    raise
                self.notices.append(f"{role} model {one} cannot be used: {error}")
                continue
            if model is not one:
                self._opened.push_async_callback(model.aclose)
            await self._check_price(model, told=isinstance(one, str))
            self._check_name(model.spec)
            same = any(member.model.spec == model.spec for member in members)
            name = dependency_of(model.spec, getattr(model, "location", ""))
            guard = self._guards.of("models", f"{name} ({role})" if same else name)
            members.append(Candidate(role, model, guard))
        return Candidates(members, section)

    def _check_name(self, spec: str) -> None:
        if line := notice(spec, datetime.fromtimestamp(self._clock.time(), UTC).date()):
            self.notices.append(line)

    async def _check_price(self, model: Model, *, told: bool) -> None:
        try:
            await asyncio.to_thread(self._prices.check, model.spec)
        except UnknownPrice as error:
            hint = f"{error.hint}; {self._price_hint}"
            if self._needs_price:
                raise UnknownPrice(error.message, hint=hint) from error
            if told and self._tells_price:
                self.notices.append(f"{error.message}: {hint}")


async def _created(spec: str) -> Model:
    """In a thread where credentials are looked for, which may take seconds."""
    return await asyncio.to_thread(create, spec) if spec.startswith("vertex:") else create(spec)


async def room_for(
    candidates: Candidates, section: ContextSection, instructions: str, tools: Sequence[Runnable]
) -> Room:
    """How much room requests have, with the smallest window of those that may answer."""
    members = candidates.order(TaskComplexity.SIMPLE)
    windows = [await asyncio.to_thread(window_of, one.model.spec) for one in members]
    smallest = min((window for window in windows if window is not None), default=None)
    return room_of(section, members[0].model.spec, smallest, instructions, tools)
