"""A model that answers from a script, in this process."""

import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from emonk.ids import uuid7
from emonk.messages import AssistantMessage, Text, Thinking, ToolCall, assistant
from emonk.models.protocol import ModelDelta, ModelRequest, ModelResponse, Outcome, TextDelta, ThinkingDelta
from emonk.records import Usage

USAGE = Usage(input_tokens=10, output_tokens=5)
"""What an answer is said to have used when the script names nothing else."""

_PIECE = re.compile(r"\S*\s*")


class BrokenOff(msgspec.Struct, frozen=True):
    """An answer that fails on its way: a stream yields `text`, then raises `error`; `generate` raises at once."""

    text: str
    error: BaseException


Plain = str | ToolCall | Sequence[ToolCall] | AssistantMessage | ModelResponse | BrokenOff | BaseException
Answer = Plain | Callable[[ModelRequest], Plain | Awaitable[Plain]]
"""Text, tool calls, a message, a whole response, an error to raise, or a function of the request that gives one."""


def call(name: str, *, call_id: str = "", **arguments: Any) -> ToolCall:
    """A tool call with these arguments, and an id of its own unless one is given."""
    return ToolCall(call_id or f"call_{uuid7()}", name, arguments)


def answer(
    text: str = "",
    *,
    tool_calls: Iterable[ToolCall] = (),
    outcome: Outcome | None = None,
    finish_reason: str = "STOP",
    usage: Usage = USAGE,
) -> ModelResponse:
    """A whole response; the outcome follows from its content unless one is given."""
    return _response(assistant(text, tool_calls=tool_calls), outcome, finish_reason, usage, "scripted")


class ScriptedModel:
    """A `Model` that gives the answers of a script, one per call.

    A summary of a conversation that outgrew its budget is a call, too, and takes the next answer.

    Attributes:
        requests: every request so far, as it was at the time of the call.
        closed: whether `aclose` was called.
    """

    def __init__(self, script: Iterable[Answer] | Callable[[ModelRequest], Any], *, spec: str = "scripted") -> None:
        """Answer from a list, or always by one function of the request (for many sessions at a time)."""
        self._always = script if callable(script) else None
        self._script: list[Answer] = [] if callable(script) else list(script)
        self._spec = spec
        self.requests: list[ModelRequest] = []
        self.closed = False

    @property
    def spec(self) -> str:
        return self._spec

    @property
    def remaining(self) -> int:
        """Answers of the list that were not asked for yet."""
        return max(0, len(self._script) - len(self.requests))

    async def generate(self, request: ModelRequest) -> ModelResponse:
        """The next answer of the script.

        Raises:
            AssertionError: the script is used up.
        """
        said = await self._next(request)
        if isinstance(said, BrokenOff):
            raise said.error
        return said

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelDelta | ModelResponse]:
        """The next answer of the script, its text word by word, then whole.

        Raises:
            AssertionError: the script is used up.
        """
        said = await self._next(request)
        message = assistant(said.text) if isinstance(said, BrokenOff) else said.message
        for delta in _deltas(message):
            yield delta
        if isinstance(said, BrokenOff):
            raise said.error
        yield said

    async def aclose(self) -> None:
        self.closed = True

    async def _next(self, request: ModelRequest) -> ModelResponse | BrokenOff:
        number = len(self.requests)
        self.requests.append(
            msgspec.structs.replace(request, messages=tuple(request.messages), tools=tuple(request.tools))
        )
        said: Any = self._always or self._at(number, request)
        if callable(said):
            said = said(request)
            if inspect.isawaitable(said):
                said = await said
        if isinstance(said, BaseException):
            raise said
        return said if isinstance(said, BrokenOff) else _as_response(said, self._spec)

    def _at(self, number: int, request: ModelRequest) -> Answer:
        if number < len(self._script):
            return self._script[number]
        last = request.messages[-1] if request.messages else None
        raise AssertionError(f"the script has {len(self._script)} answers, call {number + 1} asked for more: {last!r}")


def _as_response(said: Any, spec: str) -> ModelResponse:
    match said:
        case ModelResponse():
            return said
        case AssistantMessage():
            message = said
        case str():
            message = assistant(said)
        case ToolCall():
            message = assistant(tool_calls=[said])
        case _:
            message = assistant(tool_calls=said)
    return _response(message, None, "STOP", USAGE, spec)


def _response(
    message: AssistantMessage, outcome: Outcome | None, finish_reason: str, usage: Usage, model: str
) -> ModelResponse:
    return ModelResponse(
        message=message,
        outcome=outcome or _outcome(message),
        finish_reason=finish_reason,
        usage=usage,
        model=model,
        response_id=f"response_{uuid7()}",
    )


def _outcome(message: AssistantMessage) -> Outcome:
    if message.tool_calls:
        return Outcome.TOOL_CALLS
    return Outcome.COMPLETE if message.text else Outcome.EMPTY


def _deltas(message: AssistantMessage) -> Iterator[ModelDelta]:
    for part in message.parts:
        match part:
            case Text():
                yield from (TextDelta(piece) for piece in _PIECE.findall(part.text) if piece)
            case Thinking():
                yield from (ThinkingDelta(piece) for piece in _PIECE.findall(part.text) if piece)
            case _:
                continue
