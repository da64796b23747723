"""What a language model is asked and what it answers, in one form for all providers."""

from collections.abc import AsyncIterator, Sequence
from enum import StrEnum
from typing import Any, Literal, Protocol

import msgspec

from emonk.messages import AssistantMessage, Message, ToolCall
from emonk.records import Usage

ReasoningEffort = Literal["none", "low", "medium", "high"]


class ToolSchema(msgspec.Struct, frozen=True):
    """A tool as the model sees it.

    `parameters` is a JSON Schema object without references. `triggers` are phrases of users that mean this tool,
    with `{parameter}` placeholders; only the offline model reads them.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    triggers: tuple[str, ...] = ()


class ToolLike(Protocol):
    """Whatever can be offered to a model: a `ToolSchema`, or a tool itself."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def parameters(self) -> dict[str, Any]: ...
    @property
    def triggers(self) -> tuple[str, ...]: ...


class ModelRequest(msgspec.Struct, frozen=True):
    """One call of a model.

    Attributes:
        tool_choice: the model decides (`auto`), must call a tool (`required`), must not (`none`).
        required_tool: the name of the one tool that it must call; `tool_choice` does not count then.
        output_schema: the answer's text is JSON of this schema.
        reasoning_effort: how much to think before the answer; None leaves it to the provider.
        cache_prompt: ask for caching of the prompt where that is a field of the request.
    """

    messages: Sequence[Message]
    tools: Sequence[ToolLike] = ()
    instructions: str = ""
    max_output_tokens: int | None = None
    temperature: float | None = None
    tool_choice: Literal["auto", "required", "none"] = "auto"
    output_schema: dict[str, Any] | None = None
    required_tool: str = ""
    reasoning_effort: ReasoningEffort | None = None
    cache_prompt: bool = True


class Outcome(StrEnum):
    """What a step came to, for the runtime to act on."""

    COMPLETE = "complete"
    TOOL_CALLS = "tool_calls"
    TRUNCATED = "truncated"
    BLOCKED = "blocked"
    MALFORMED = "malformed"
    EMPTY = "empty"


class ModelResponse(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A whole answer.

    `finish_reason` is the provider's own word, as the body says it; `outcome` is what it means here.
    """

    message: AssistantMessage
    outcome: Outcome
    finish_reason: str
    usage: Usage
    model: str
    response_id: str = ""

    @property
    def text(self) -> str:
        return self.message.text

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return self.message.tool_calls


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """More of the answer's text."""

    text: str


class ThinkingDelta(msgspec.Struct, frozen=True, gc=False):
    """More of the model's reasoning."""

    text: str


class ToolCallDelta(msgspec.Struct, frozen=True, gc=False):
    """More of a tool call.

    Attributes:
        index: which call of the answer, from 0.
        arguments: more of their JSON text, to be joined; all at once where the provider does not send pieces.
        name: of the tool, in the first delta of a call; empty in the others, like `id`.
        id: of the call.
    """

    index: int
    arguments: str
    name: str = ""
    id: str = ""


ModelDelta = TextDelta | ThinkingDelta | ToolCallDelta


class Model(Protocol):
    """A language model behind one wire format.

    Both calls raise `InfraError` when the provider cannot serve and `ConfigError` when a human must act; they never
    retry. A policy block or a malformed call is an answer, told by `outcome`.
    """

    @property
    def spec(self) -> str:
        """How a configuration names it, for example `gemini:gemini-3.5-flash`."""
        ...

    async def generate(self, request: ModelRequest) -> ModelResponse:
        """Ask for a whole answer."""
        ...

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelDelta | ModelResponse]:
        """Ask for an answer in pieces; the last one is the whole answer."""
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...
