"""Which models may answer, in which order: the roles of a configuration and what can be called at the moment."""

from collections.abc import Iterator, Sequence

import msgspec

from emonk.models.protocol import Model
from emonk.resilience.breaker_events import CircuitState
from emonk.resilience.guard import Guard
from emonk.routing.decision import Role

LEFT_ALONE = 60.0
"""Seconds that a turn waits for a model whose server asked not to be called before."""

OPENED = 10.0
"""Seconds that a turn waits for a circuit that is open or half open."""


class Candidate(msgspec.Struct, frozen=True):
    """A model, the role that it has here, and what guards its calls."""

    role: Role
    model: Model
    guard: Guard


class Candidates:
    """The models of an agent.

    The worker, where there is one, does the work until the turn is escalated to the lead. Who cannot be called is
    passed over, for the lead first and then for the fallback; an escalated turn takes the worker only when nobody else
    is left.
    """

    def __init__(self, members: Sequence[Candidate]) -> None:
        self._by_role = {member.role: member for member in members}
        self._work = self._in_order("worker", "lead", "fallback")
        self._escalated = self._in_order("lead", "fallback", "worker")

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
        """Who is asked when everybody can be."""
        return self._work[0]

    def order(self, *, escalated: bool) -> tuple[Candidate, ...]:
        """Everybody, in the order in which to ask."""
        return self._escalated if escalated else self._work

    def available(self, *, escalated: bool) -> list[Candidate]:
        """Who would be called now, in that order."""
        return [member for member in self.order(escalated=escalated) if not member.guard.wait()]

    def wait(self) -> float:
        """Seconds until the first of them would be called."""
        return min(member.guard.wait() for member in self._work)

    def pause(self, waited: float) -> float | None:
        """Seconds to wait for the first of them, when nobody can be called; None when that would take too long.

        A server that asks to be left alone is waited for as a retry would wait, an open circuit only for a moment.
        """
        waits: list[float] = []
        for member in self._work:
            status = member.guard.breaker.status()
            patience = LEFT_ALONE if status.state is CircuitState.CLOSED else OPENED
            # Half open, the wait that is told is the worst case: the probes may come back any time.
            least = 0.0 if status.state is CircuitState.HALF_OPEN else status.wait
            if waited + least <= patience and waited < patience:
                waits.append(status.wait)
        return min(waits, default=None)

    def _in_order(self, *roles: Role) -> tuple[Candidate, ...]:
        return tuple(self._roles(roles))

    def _roles(self, roles: Sequence[Role]) -> Iterator[Candidate]:
        for role in roles:
            if role in self._by_role:
                yield self._by_role[role]
