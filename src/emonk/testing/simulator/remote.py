"""The simulated provider: a `Model` that fails as its schedule says, with the errors that real adapters raise."""

import asyncio
import re
from collections.abc import AsyncGenerator
from random import Random

from emonk.errors import (
    AgentError,
    ConfigError,
    DeadlineExceeded,
    InfraError,
    MalformedOutput,
    MissingCredential,
    QuotaExhausted,
    RateLimited,
    Unavailable,
)
from emonk.models.http import status_failure
from emonk.models.protocol import ModelDelta, ModelRequest, ModelResponse, TextDelta
from emonk.observe.trace import get_trace_id
from emonk.resilience.classify import hint_of
from emonk.routing.decision import Role
from emonk.testing.simulator.answers import answer
from emonk.testing.simulator.faults import Fault, ModelFault
from emonk.testing.simulator.history import Blame, Came, Sent, Where
from emonk.testing.simulator.life import Life
from emonk.testing.simulator.scene import Scene

SILENCE = 60.0
"""Seconds without a byte after which an adapter gives up."""

_WORD = re.compile(r"\S*\s*")
_STATUS = {ModelFault.HTTP_500: 500, ModelFault.HTTP_503: 503, ModelFault.HTTP_503_HINT: 503, ModelFault.HTTP_504: 504}


class SimulatedModel:
    """One model of one instance of an agent; `wrap` in `simulate` may put something around it."""

    def __init__(self, spec: str, scene: Scene, life: Life, role: Role = "lead") -> None:
        self._spec = spec
        self._role: Role = role
        self._scene = scene
        self._life = life

    @property
    def spec(self) -> str:
        return self._spec

    async def generate(self, request: ModelRequest) -> ModelResponse:
        """A whole answer, or the error that the schedule has for this call."""
        call = self._call(request)
        try:
            response = await call.response()
        except BaseException as error:
            call.failed(error)
            raise
        call.answered(response)
        return response

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta | ModelResponse]:
        """The answer word by word, then whole; one that is cut off ends after half of its words."""
        call = self._call(request)
        try:
            response = await call.response(streaming=True)
            words = [word for word in _WORD.findall(response.text) if word]
            for word in words if call.cut is None else words[: len(words) // 2]:
                await call.sleep(0.02)
                call.shown = True
                yield TextDelta(word)
            if call.cut is not None:
                raise call.cut
        except BaseException as error:
            call.failed(error)
            raise
        call.answered(response)
        yield response

    async def aclose(self) -> None:
        """There are no connections."""

    def _call(self, request: ModelRequest) -> "_Call":
        turn = self._scene.turn_of(get_trace_id())
        fault = self._scene.model_fault(turn.session, self._role)
        number = self._scene.next_request()
        call = _Call(self._spec, request, fault=fault, number=number, scene=self._scene, life=self._life)
        self._scene.add(
            Sent(
                call.where,
                number=number,
                model=self._spec,
                messages=tuple(request.messages),
                fault=str(fault or ""),
            )
        )
        self._life.passed("ask model", "sent")
        return call


class _Call:
    """One request on its way."""

    def __init__(
        self, spec: str, request: ModelRequest, *, fault: Fault | None, number: int, scene: Scene, life: Life
    ) -> None:
        turn = scene.turn_of(get_trace_id())
        self._spec = spec
        self._request = request
        self._fault = fault
        self._scene = scene
        self._number = number
        self._turn = turn
        self._life = life
        seed = scene.schedule.seed
        self._random = Random(f"{seed} {turn.message_id} {len(request.messages)}")  # noqa: S311 - repeatable
        self._pace = Random(f"{seed} pace {number}")  # noqa: S311 - repeatable
        self.shown = False

    @property
    def cut(self) -> Exception | None:
        """With what the answer breaks off in the middle."""
        match self._fault:
            case Fault(kind=ModelFault.CUT):
                return Unavailable(f"{self._spec} broke off its answer", code="interrupted")
            case Fault(kind=ModelFault.RESET):
                return ConnectionResetError(f"{self._spec} reset the connection")
            case _:
                return None

    @property
    def where(self) -> Where:
        """Now, and whose call it is."""
        return self._scene.where(self._turn, self._life.number)

    async def sleep(self, seconds: float) -> None:
        """The world takes its time."""
        await self._scene.clock.sleep(seconds)

    async def response(self, *, streaming: bool = False) -> ModelResponse:
        """The answer.

        Raises:
            InfraError, ConfigError: as the fault has it.
        """
        fault = self._fault
        kind = fault.kind if fault is not None else None
        if fault is not None and isinstance(kind, ModelFault):
            await self._suffer(fault, kind)
        await self.sleep(self._pace.uniform(0.2, 3.0))
        self._life.passed("ask model", "done")
        await self.sleep(self._pace.uniform(0.001, 0.05))
        if kind is ModelFault.DROPPED_AFTER:
            raise Unavailable(f"{self._spec} closed the connection", code="disconnected")
        if self.cut is not None and not streaming:
            raise self.cut
        if kind is ModelFault.UNREADABLE:
            raise MalformedOutput(
                f"{self._spec} wrote no call that can be read", hint="call tools with fitting arguments"
            )
        answering = kind if isinstance(kind, ModelFault) else None
        return answer(self._request, answering, self._spec, self._turn.message_id, self._random)

    async def _suffer(self, fault: Fault, kind: ModelFault) -> None:
        """Whatever ends the call before the provider answers."""
        match kind:
            case ModelFault.SLOW:
                await self.sleep(fault.seconds)
            case ModelFault.SILENT:
                await self.sleep(SILENCE)
                raise DeadlineExceeded(f"{self._spec} fell silent")
            case ModelFault.HANGS:
                await asyncio.Event().wait()
            case ModelFault.BUG:
                raise ValueError("an adapter's own mistake")
            case _:
                await self._refused(fault, kind)

    async def _refused(self, fault: Fault, kind: ModelFault) -> None:
        await self.sleep(self._pace.uniform(0.005, 0.3))
        match kind:
            case ModelFault.DROPPED_BEFORE:
                raise Unavailable(f"{self._spec} closed the connection", code="disconnected")
            case ModelFault.CONNECTION:
                raise ConnectionError(f"cannot reach {self._spec}")
            case ModelFault.TIMEOUT:
                raise TimeoutError(f"{self._spec} takes too long")
            case ModelFault.UNREACHABLE:
                raise Unavailable(f"cannot reach {self._spec}", code="unreachable")
            case ModelFault.RATE_LIMITED | ModelFault.RATE_LIMITED_HINT:
                raise RateLimited(f"{self._spec}: Resource exhausted", retry_after=fault.seconds or None)
            case ModelFault.QUOTA:
                raise QuotaExhausted(f"{self._spec}: limit: 0", retry_after=fault.seconds)
            case ModelFault.BAD_KEY:
                raise MissingCredential(f"{self._spec}: API key not valid", hint="check the key")
            case _ if kind in _STATUS:
                raise status_failure(_STATUS[kind], f"{self._spec}: HTTP {kind}", wait=fault.seconds or None)
            case _:
                return

    def answered(self, response: ModelResponse) -> None:
        """It came through."""
        self._add(outcome=str(response.outcome))
        self._life.passed("ask model", "heard")

    def failed(self, error: BaseException) -> None:
        """It did not."""
        hint = None if isinstance(error, QuotaExhausted) else hint_of(error)
        final = isinstance(error, ConfigError | QuotaExhausted)
        self._add(error=type(error).__name__, final=final, hint=hint, blame=_blame(error))
        self._life.passed("ask model", "heard")

    def _add(
        self, *, outcome: str = "", error: str = "", final: bool = False, hint: float | None = None, blame: Blame = ""
    ) -> None:
        self._scene.add(
            Came(
                self.where,
                number=self._number,
                model=self._spec,
                outcome=outcome,
                error=error,
                final=final,
                hint=hint,
                shown=self.shown,
                blame=blame,
            )
        )


def _blame(error: BaseException) -> Blame:
    """Whose fault it was, without a look at how emonk judges that."""
    match error:
        case AgentError():
            return "answer"
        case RateLimited() | QuotaExhausted():
            return ""
        case InfraError() | OSError() | ValueError():
            return "provider"
        case _:
            return ""
