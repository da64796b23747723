"""What the dispatcher and the model need of a tool."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from emonk.clock import Clock
from emonk.memory.doors import NOWHERE, Doors
from emonk.memory.files import MemoryFiles
from emonk.memory.memories import Memories
from emonk.memory.records import AgentRecords
from emonk.models.protocol import ToolLike
from emonk.records import RiskLevel
from emonk.resilience.guard import Guard
from emonk.resilience.guards import Guards
from emonk.resilience.section import Component
from emonk.skills.effect import ToolEffect


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool may know about the call it serves. Never holds secrets.

    A tool that is no async function has it in a thread of its own call; `progress` may be called from there.

    Attributes:
        deadline: on the clock's `monotonic()` seconds, when the turn ends whatever happens; None without limit.
        progress: shows one line to whoever watches the turn.
        guards: for calls to the outside, see `guard`.
        effect_key: names what an effect does, the same for every attempt: send it as the other side's idempotency key.
            Empty for a tool that is no effect.
        acted_as: tells the ledger by which id the outside knows what an effect did.
        doors: to what is kept, see `memory`, `files` and `records`.
    """

    agent: str
    session_id: str
    user_id: str
    call_id: str
    trace_id: str
    clock: Clock
    deadline: float | None
    progress: Callable[[str], None]
    guards: Guards = msgspec.field(default_factory=Guards)
    effect_key: str = ""
    acted_as: Callable[[str], None] = lambda _remote_id: None
    doors: Doors = NOWHERE

    @property
    def memory(self) -> Memories:
        """What the agent remembers for the user of the call, and for nobody else."""
        return self.doors.memory

    @property
    def files(self) -> MemoryFiles:
        """The agent's files.

        Raises:
            InvalidConfig: the agent has no memory.
        """
        return self.doors.files

    def records(self, namespace: str) -> AgentRecords:
        """What the agent's tools keep for all its users, under a name of their choice: `ctx.records("campaigns")`."""
        return self.doors.records(namespace)

    def guard(self, name: str, component: Component = "api") -> Guard:
        """What guards the calls to a dependency of the tool's own: `await ctx.guard("weather.gov").call(fetch, url)`.

        It has retries, a circuit breaker and a limit that all calls of the same name share in this agent. The name is
        of a service, such as a host: of very many names those that were not used for long are forgotten.

        Raises:
            InvalidConfig: there is no such kind of component, or the name is no text.
        """
        return self.guards.passing(component, name)


class Runnable(ToolLike, Protocol):
    """A tool that can be run: a Python function or a script."""

    @property
    def risk(self) -> RiskLevel: ...
    @property
    def idempotent(self) -> bool: ...
    @property
    def effect(self) -> ToolEffect | None: ...

    async def run(self, arguments: Mapping[str, Any], context: Context) -> str:
        """Validate, run, and phrase the result for the model.

        Raises:
            InvalidArguments: the arguments do not fit; the hint names the right ones.
            AgentError, InfraError, ConfigError: as the tool raises them.
        """
        ...
