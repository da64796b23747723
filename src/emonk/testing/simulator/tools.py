"""Simulated tools: what a real tool promises, without what it does."""

import asyncio
from collections.abc import Mapping
from copy import copy
from functools import partial
from random import Random
from typing import Any, cast

import msgspec

from emonk.errors import AgentError, ConfigError, InvalidConfig, OutcomeUnknown, QuotaExhausted, Unavailable
from emonk.records import RiskLevel
from emonk.resilience.classify import hint_of
from emonk.runtime.dispatch import RESULT_LIMIT
from emonk.skills.effect import ToolEffect
from emonk.skills.function import Tool
from emonk.skills.protocol import Context, Runnable
from emonk.testing.simulator.faults import Fault, ToolFault
from emonk.testing.simulator.history import ToolActed, ToolBegan, ToolLeft, Where
from emonk.testing.simulator.life import Life
from emonk.testing.simulator.outside import Outside, Request
from emonk.testing.simulator.scene import Scene


class SimulatedTool:
    """Stands where a real tool stood.

    Its name, description, schema, risk, idempotency, effect and timeout are the real one's, and a `Tool` still checks
    its arguments and keeps its time itself; only the function in it is another one.
    """

    def __init__(self, real: Runnable, outside: Outside, scene: Scene, life: Life) -> None:
        self._real = real
        self._scene = scene
        self._life = life
        self._outside = outside
        self._effect = outside.effect(real.effect, life)
        _ = real.parameters  # a tool reads its signature when first asked, and must find its own function then

    @property
    def name(self) -> str:
        return self._real.name

    @property
    def description(self) -> str:
        return self._real.description

    @property
    def parameters(self) -> dict[str, Any]:
        return self._real.parameters

    @property
    def triggers(self) -> tuple[str, ...]:
        return self._real.triggers

    @property
    def risk(self) -> RiskLevel:
        return self._real.risk

    @property
    def idempotent(self) -> bool:
        return self._real.idempotent

    @property
    def effect(self) -> ToolEffect | None:
        return self._effect

    async def run(self, arguments: Mapping[str, Any], context: Context) -> str:
        """Run as the schedule has it.

        Raises:
            InvalidArguments: as the real tool would.
            BaseException: whatever the fault is.
        """
        act = partial(self._act, context, msgspec.json.encode(arguments, order="deterministic").decode())
        if not isinstance(self._real, Tool):
            return await act()
        real = cast("Tool[..., Any]", self._real)
        stand_in = copy(real)
        stand_in.function = act
        return await stand_in.run(arguments, context)

    async def _act(self, context: Context, arguments: str, /, *_: Any, **__: Any) -> str:
        run = _Run(self._real, context, arguments, self._outside, self._life)
        try:
            result = await run.result()
        except BaseException as error:
            run.left(error)
            raise
        run.left(None)
        return result


class _Run:
    """One run of a tool."""

    def __init__(self, tool: Runnable, context: Context, arguments: str, outside: Outside, life: Life) -> None:
        scene = outside.scene
        self._tool = tool
        self._call_id = context.call_id
        self._key = context.effect_key
        self._acted_as = context.acted_as
        self._outside = outside
        self._scene = scene
        self._said = scene.turn_of(context.trace_id)
        self._life = life
        number = scene.next_run(context.session_id)
        self._fault = scene.schedule.tools.get(context.session_id, {}).get(number)
        self._pace = Random(f"{scene.schedule.seed} {context.session_id} run {number}")  # noqa: S311 - repeatable
        scene.add(
            ToolBegan(
                self._where(),
                call_id=self._call_id,
                tool=tool.name,
                arguments=arguments,
                idempotent=tool.idempotent,
                risk=str(tool.risk),
                fault=str(self._fault or ""),
                key=self._key,
            )
        )

    async def result(self) -> str:
        """Take some time, act, take some more, and fail where the fault has it."""
        fault = self._fault or Fault(ToolFault.SLOW)
        await self._before(fault)
        await self._acted(self._pace.uniform(0.0, 1.0))
        await self._sleep(self._pace.uniform(0.0, 1.0))
        return await self._after(fault)

    def _acted(self, seconds: float) -> "asyncio.Future[None]":
        """The request reaches the remote, also where its sender was killed meanwhile, as chance has it."""
        request = Request(self._key, self._life, asyncio.get_running_loop().create_future())
        self._outside.ask(request, seconds, self._pace.random(), self._act)
        self._life.passed("run tool", "sent")
        return request.heard

    def _act(self) -> None:
        tool = self._tool
        self._scene.write(
            ToolActed(self._where(), call_id=self._call_id, tool=tool.name, idempotent=tool.idempotent, key=self._key)
        )
        if self._key:
            self._acted_as("remote 1")

    def left(self, error: BaseException | None) -> None:
        """The tool ended, one way or another."""
        self._scene.add(
            ToolLeft(
                self._where(),
                call_id=self._call_id,
                tool=self._tool.name,
                error="" if error is None else type(error).__name__,
                final=isinstance(error, ConfigError | QuotaExhausted),
                unknown=isinstance(error, OutcomeUnknown),
                hint=None if error is None else hint_of(error),
            )
        )
        self._life.passed("run tool", "heard")

    async def _before(self, fault: Fault) -> None:
        name = self._tool.name
        match fault.kind:
            case ToolFault.SLOW:
                await self._sleep(fault.seconds)
            case ToolFault.HANGS:
                await asyncio.Event().wait()
            case ToolFault.RAISES:
                raise ValueError(f"{name} has a bug")
            case ToolFault.CORRECTABLE:
                raise AgentError(f"{name} cannot do that", hint="ask for something else")
            case ToolFault.CONFIG:
                raise InvalidConfig(f"{name} has no account", hint="log in")
            case ToolFault.UNAVAILABLE | ToolFault.UNAVAILABLE_HINT:
                raise Unavailable(f"{name} is away", retry_after=fault.seconds or None)
            case ToolFault.EXITS:
                raise SystemExit(3)
            case ToolFault.CANCELS:
                raise asyncio.CancelledError
            case _:
                return

    async def _after(self, fault: Fault) -> str:
        name = self._tool.name
        match fault.kind:
            case ToolFault.DROPPED_AFTER:
                raise Unavailable(f"{name} closed the connection", code="disconnected")
            case ToolFault.UNKNOWN:
                raise OutcomeUnknown(f"{name} may have acted", hint="look before you repeat it")
            case ToolFault.HANGS_AFTER:
                await asyncio.Event().wait()
                return ""
            case ToolFault.HUGE:
                return "x" * (RESULT_LIMIT + 1000)
            case ToolFault.HALF:
                return "caf\udce9"
            case _:
                return f"{name} did it"

    async def _sleep(self, seconds: float) -> None:
        await self._scene.clock.sleep(seconds)

    def _where(self) -> Where:
        return self._scene.where(self._said, self._life.number)
