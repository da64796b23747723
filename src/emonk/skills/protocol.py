"""What the dispatcher and the model need of a tool."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from emonk.clock import Clock
from emonk.models.protocol import ToolLike
from emonk.records import RiskLevel
from emonk.resilience.guard import Guard
from emonk.resilience.guards import Guards
from emonk.resilience.section import Component


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool may know about the call it serves. Never holds secrets.

    A tool that is no async function has it in a thread of its own call; `progress` may be called from there.

    Attributes:
        deadline: on the clock's `monotonic()` seconds, when the turn ends whatever happens; None without limit.
        progress: shows one line to whoever watches the turn.
        guards: for calls to the outside, see `guard`.
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

    async def run(self, arguments: Mapping[str, Any], context: Context) -> str:
        """Validate, run, and phrase the result for the model.

        Raises:
            InvalidArguments: the arguments do not fit; the hint names the right ones.
            AgentError, InfraError, ConfigError: as the tool raises them.
        """
        ...
