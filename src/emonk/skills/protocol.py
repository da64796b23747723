"""What the dispatcher and the model need of a tool."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from emonk.clock import Clock
from emonk.models.protocol import ToolLike
from emonk.records import RiskLevel


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool may know about the call it serves. Never holds secrets.

    A tool that is no async function has it in a thread of its own call; `progress` may be called from there.

    Attributes:
        deadline: on the clock's `monotonic()` seconds, when the turn ends whatever happens; None without limit.
        progress: shows one line to whoever watches the turn.
    """

    agent: str
    session_id: str
    user_id: str
    call_id: str
    trace_id: str
    clock: Clock
    deadline: float | None
    progress: Callable[[str], None]


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
