"""Which models may answer, in which order: the roles of a configuration and what can be called at the moment."""

from collections.abc import Sequence

import msgspec

from emonk.models.protocol import Model
from emonk.resilience.breaker_events import CircuitState
from emonk.resilience.guard import Guard
from emonk.routing.complexity import TaskComplexity
from emonk.routing.decision import ORDER, Role, decide
from emonk.routing.section import RoutingSection

LEFT_ALONE = 60.0
"""Seconds that a turn waits for a model whose server asked not to be called before."""

OPENED = 10.0
"""Seconds that a turn waits for a circuit that is open or half open."""


class Candidate(msgspec.Struct, frozen=True):
    """A model, the role that it has here, and what guards its calls.

    `seconds` are what it has for this answer, None without a limit beside the turn's.
    """

    role: Role
    model: Model
    guard: Guard
    seconds: float | None = None


class Candidates:
    """The models of an agent.

    The worker, where there is one, does the work, and the lead what is complex. Who cannot be called is passed over,
    for the lead first and then for the fallback; the worker does what is complex only when nobody else is left.
    """

    def __init__(self, members: Sequence[Candidate], section: RoutingSection | None = None) -> None:
        self._section = section or RoutingSection()
        self._by_role = {member.role: member for member in members}
        self._orders = {
            hardness: tuple([self._by_role[role] for role in roles if role in self._by_role])
            for hardness, roles in ORDER.items()
        }

    @property
    def can_escalate(self) -> bool:
        """There is a lead that is not the worker."""
        return "worker" in self._by_role

    @property
    def lead(self) -> Candidate:
        """The model that the agent has in any case."""
        return self._by_role["lead"]

    @property
    def first(self) -> Candidate:
        """Who is asked for simple work when everybody can be."""
        return self.order(TaskComplexity.SIMPLE)[0]

    def order(self, hardness: TaskComplexity) -> tuple[Candidate, ...]:
        """Everybody, in the order in which to ask."""
        return self._orders[hardness]

    def available(self, hardness: TaskComplexity) -> list[Candidate]:
        """Who would be called now, in that order, as `decide` has it."""
        able = [member for member in self.order(hardness) if not member.guard.wait()]
        if len(able) < 2 or not self.can_escalate:
            return able
        decision = decide(hardness, [member.role for member in able], section=self._section)
        return [self._with(choice.role, choice.seconds) for choice in decision]

    def wait(self) -> float:
        """Seconds until the first of them would be called."""
        return min(member.guard.wait() for member in self._by_role.values())

    def pause(self, waited: float) -> float | None:
        """Seconds to wait for the first of them, when nobody can be called; None when that would take too long.

        A server that asks to be left alone is waited for as a retry would wait, an open circuit only for a moment.
        """
        waits: list[float] = []
        for member in self._by_role.values():
            status = member.guard.breaker.status()
            patience = LEFT_ALONE if status.state is CircuitState.CLOSED else OPENED
            # Half open, the wait that is told is the worst case: the probes may come back any time.
            least = 0.0 if status.state is CircuitState.HALF_OPEN else status.wait
            if waited + least <= patience and waited < patience:
                waits.append(status.wait)
        return min(waits, default=None)

    def _with(self, role: Role, seconds: float | None) -> Candidate:
        member = self._by_role[role]
        return member if seconds is None else msgspec.structs.replace(member, seconds=seconds)
