"""The agent that the simulator is tried on, and bugs to plant in emonk's own code."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from emonk import Agent, Context, Happened, tool
from emonk.clock import Clock
from emonk.errors import ConfigError, EmonkError, InfraError
from emonk.models.protocol import Model, ModelDelta, ModelRequest, ModelResponse
from emonk.records import Effect
from emonk.resilience.deadline import Deadlines
from emonk.resilience.limit import ConcurrencyLimit
from emonk.runtime import ask, asking, dispatch, turn
from emonk.runtime.dispatch import Dispatcher
from emonk.runtime.journal import Journal
from emonk.runtime.session_queue import SessionQueue
from emonk.runtime.turn import Turn


@tool(risk="low", idempotent=True)
async def get_weather(city: str, days: int = 1) -> str:
    """The weather of a city."""
    raise AssertionError("no tool's own code runs in a simulation")


@tool(risk="low")
async def book(city: str, seats: int) -> str:
    """Book a flight: twice is not the same as once."""
    raise AssertionError("no tool's own code runs in a simulation")


@tool(risk="low", idempotent=True, timeout=20)
def count(numbers: list[float]) -> float:
    """Count in a thread, for a while."""
    raise AssertionError("no tool's own code runs in a simulation")


@tool
async def pay(amount: float) -> str:
    """Nobody may do this without an approval."""
    raise AssertionError("no tool's own code runs in a simulation")


@tool(risk="low", effect="the page")
async def post(text: str) -> str:
    """Post something; the page can be asked whether it is there."""
    raise AssertionError("no tool's own code runs in a simulation")


@post.reconcile
async def find_post(_effect: Effect, _ctx: Context) -> Happened | None:
    """Look for it."""
    raise AssertionError("no tool's own code runs in a simulation")


@tool(risk="low", effect=True)
async def notify(text: str) -> str:
    """Send a message that nobody can look for."""
    raise AssertionError("no tool's own code runs in a simulation")


def posting_agent(**settings: Any) -> Agent:
    """Two effects, with a remote that can be asked and without, and tools that are none."""
    return travel_agent(**({"tools": [get_weather, book, post, notify]} | settings))


def travel_agent(**settings: Any) -> Agent:
    """Tools of every kind, and three models."""
    models = {"lead": "gemini:gemini-2.5-pro", "worker": "gemini:gemini-2.0-flash", "fallback": "offline"}
    settings = {"model": models, "tools": [get_weather, book, count, pay]} | settings
    return Agent("travel", unpriced="allow", **settings)


class Impatient:
    """Around a model: asks again at once, whatever the error says."""

    def __init__(self, model: Model, kinds: tuple[type[Exception], ...] = (InfraError,)) -> None:
        self._model = model
        self._kinds = kinds

    @property
    def spec(self) -> str:
        return self._model.spec

    async def generate(self, request: ModelRequest) -> ModelResponse:
        try:
            return await self._model.generate(request)
        except self._kinds:
            return await self._model.generate(request)

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelDelta | ModelResponse]:
        try:
            async for part in self._model.stream(request):
                yield part
        except self._kinds:
            async for part in self._model.stream(request):
                yield part

    async def aclose(self) -> None:
        await self._model.aclose()


def giving(value: object) -> Callable[..., object]:
    """A function that always gives this."""

    def give(*_: object) -> object:
        return value

    return give


Plant = Callable[[pytest.MonkeyPatch], None]


def take_everything_for_repeatable(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Turn, "_repeatable", giving(True))


def run_a_tool_twice(patch: pytest.MonkeyPatch) -> None:
    enter = vars(Dispatcher)["_enter"]

    async def twice(self: Dispatcher, *given: Any) -> str:
        await enter(self, *given)
        return await enter(self, *given)

    patch.setattr(Dispatcher, "_enter", twice)


def run_what_needs_an_approval(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(dispatch, "decide", giving(None))


def repeat_what_may_have_acted(patch: pytest.MonkeyPatch) -> None:
    enter = vars(Dispatcher)["_enter"]

    async def again(self: Dispatcher, *given: Any) -> str:
        try:
            return await enter(self, *given)
        except dispatch.OutcomeUnknown:
            return await enter(self, *given)

    patch.setattr(Dispatcher, "_enter", again)


def leave_calls_open(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Journal, "open_calls", property(giving(())))


def lose_a_reply(patch: pytest.MonkeyPatch) -> None:
    resolve = vars(SessionQueue)["_resolve"]

    def lossy(self: SessionQueue, message_id: str, reply: Any) -> None:
        if reply.status != "limit":
            resolve(self, message_id, reply)

    patch.setattr(SessionQueue, "_resolve", lossy)


def keep_every_place(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ConcurrencyLimit, "release", giving(None))


def keep_the_lease(patch: pytest.MonkeyPatch) -> None:
    begin = vars(Journal)["_begin"]

    def begin_without(self: Journal, *after: Any) -> Any:
        return begin(self, *after[:1])

    patch.setattr(Journal, "_begin", begin_without)


def hide_that_output_began(patch: pytest.MonkeyPatch) -> None:
    def hidden(_: str, error: EmonkError) -> EmonkError:
        return error

    patch.setattr(ask, "StreamBroken", hidden)


def take_too_long(patch: pytest.MonkeyPatch) -> None:
    made = Deadlines.__init__

    def thrice(limits: Deadlines, seconds: float, clock: Clock) -> None:
        made(limits, 3 * seconds, clock)

    patch.setattr(Deadlines, "__init__", thrice)


def answer_without_a_reason(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(asking, "could_not", giving(""))
    patch.setattr(turn, "CANCELLED", turn.Ending("cancelled", ""))


PLANTED: dict[str, Plant] = {
    "no call acts twice": run_a_tool_twice,
    "no unknown outcome is retried": repeat_what_may_have_acted,
    "nothing above low risk runs": run_what_needs_an_approval,
    "the log is well formed": leave_calls_open,
    "every message gets its reply": lose_a_reply,
    "nothing is left over": keep_every_place,
    "no retry after output began": hide_that_output_began,
    "turns keep their limit": take_too_long,
    "replies are typed": answer_without_a_reason,
}
"""Bugs, by the invariant that has to be found broken."""

IMPATIENT = {"no retry before the hint": (InfraError,), "no retry after a final error": (ConfigError,)}
"""What a model is asked again after at once, by the invariant that this breaks."""
