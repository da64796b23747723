"""A conversation as Anthropic takes it: users and assistants in turns, every call answered in the user's next turn.

https://platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Literal

from emonk.errors import InvalidConfig
from emonk.messages import (
    AssistantMessage,
    AssistantPart,
    Blob,
    Foreign,
    Message,
    Text,
    Thinking,
    ToolCall,
    ToolMessage,
    ToolResult,
    UserMessage,
    UserPart,
)
from emonk.models.anthropic.foreign import THOUGHTS, ServerCalls, is_open, sent_back
from emonk.models.anthropic.identifiers import CallIds, sent_name
from emonk.models.anthropic.media import is_image, media_block
from emonk.models.media import last_user, note_of

Json = dict[str, Any]

ThinkingSent = Literal["none", "own", "any"]
"""Whose thinking goes back: nobody's, the model's own, or that of every model of Anthropic's.

A signature of another model is refused by the older ones; the newer ones leave out what they cannot read.
"""

PROVIDER = "anthropic"
"""Whose thinking and `Foreign` parts are sent."""

GO_ON = "Continue."
"""What the user says where Anthropic wants a user's turn and there is none."""

NO_RESULT = "There is no result of this call."


class _Call:
    """A call that waits for its result."""

    __slots__ = ("block", "call_id", "result")

    def __init__(self, call_id: str, block: Json) -> None:
        self.call_id = call_id
        self.block = block
        self.result: Json | None = None


class Conversation:
    """The turns of one request.

    Attributes:
        turns: what is sent as `messages`.
        called: the names of all tools that were called, as they are sent.
        thinking: some thinking is sent back.
        thinks_on: the steps since the user spoke last are the model's own, and begin with thinking if any was done: the
            models that think by a budget refuse to think in others.
    """

    def __init__(self, model: str, thinking: ThinkingSent = "own") -> None:
        """Begin a conversation with `model`, which is sent that thinking."""
        self.turns: list[Json] = []
        self.called: dict[str, None] = {}
        self.thinking = False
        self.thinks_on = True
        self._model = model
        self._thinking = thinking
        self._ids = CallIds()
        self._open: list[_Call] = []
        self._strays: list[Json] = []
        self._images: list[Json] = []
        self._messages: Sequence[Message] = ()
        self._stepping = False  # in the middle of calls a model need not think anew

    def write(self, messages: Sequence[Message]) -> list[Json]:
        """Messages as turns, of which the first and the last are the user's.

        Raises:
            InvalidConfig: nothing is said at all, or what the user said last holds something that cannot be sent.
        """
        self._messages = messages
        last = last_user(messages)
        # Where the user has not spoken since, a server may be about to give the result of its own tool.
        paused = max(last + 1, _last_said(messages))
        for index, message in enumerate(messages):
            match message:
                case UserMessage(parts):
                    self._answer_calls()
                    self._user(_user_blocks(parts, strict=index == last))
                case AssistantMessage():
                    self._answer_calls()
                    self._assistant(message, paused=index == paused)
                case ToolMessage(results):
                    for result in results:
                        self._result(result)
        self._answer_calls()
        if not self.turns:
            raise InvalidConfig("there is nothing to send to the model", code="empty_request")
        turn = self.turns[-1]
        if turn["role"] == "assistant" and not is_open(turn["content"][-1]):
            self._user([_text(GO_ON)])
        return self.turns

    def ask_for_call(self, name: str) -> None:
        """Have the user ask for a call of a tool, or of any where `name` is empty: no setting makes the model call."""
        asked = f"Call the tool `{name}` now." if name else "Call one of the tools now."
        self._say("user", [_text(f"{asked} Answer with that call, not with text.")])

    def _user(self, blocks: list[Json]) -> None:
        if blocks:
            if not (self._stepping and self.turns[-1]["role"] == "user"):
                self.thinks_on, self._stepping = True, False
            self._say("user", [*self._images, *blocks])
            self._images = []

    def _say(self, role: str, blocks: list[Json]) -> None:
        if self.turns and self.turns[-1]["role"] == role:
            self.turns[-1]["content"] += blocks
            return
        if not self.turns and role == "assistant":
            self.turns.append({"role": "user", "content": [_text(GO_ON)]})
        self.turns.append({"role": role, "content": blocks})

    def _assistant(self, message: AssistantMessage, *, paused: bool) -> None:
        readable = self._readable(message)
        written = [self._written(part, readable=readable, paused=paused) for part in message.parts]
        blocks = [block for block in written if block is not None]
        while blocks and blocks[-1]["type"] in THOUGHTS:  # nothing came of them, and they may not stand last
            blocks.pop()
        if blocks:
            kinds = [block["type"] for block in blocks]
            self.thinking = self.thinking or not THOUGHTS.isdisjoint(kinds)
            if not (readable and (kinds[0] in THOUGHTS or self._stepping)):
                self.thinks_on = False
            self._say("assistant", blocks)

    def _written(self, part: AssistantPart, *, readable: bool, paused: bool) -> Json | None:
        """A part of the model's; None when it is not sent.

        What a model once said is in every later request: one part that cannot be sent would end the session.
        """
        match part:
            case Text(text) if text and not text.isspace():
                return _text(text)
            case ToolCall():
                return self._call(part)
            case Thinking(text, signature) if readable and signature:
                return {"type": "thinking", "thinking": text, "signature": signature}
            case Foreign(provider, data) if provider == PROVIDER:
                block = sent_back(data, thinking=readable)
                return block if block and (paused or self._server_calls.keeps(block)) else None
            case Blob() if is_image(part):
                self._images.append(media_block(part))
            case _:
                pass
        return None

    @cached_property
    def _server_calls(self) -> ServerCalls:
        said = [message for message in self._messages if isinstance(message, AssistantMessage)]
        parts = [part for message in said for part in message.parts]
        return ServerCalls(part.data for part in parts if isinstance(part, Foreign) and part.provider == PROVIDER)

    def _readable(self, message: AssistantMessage) -> bool:
        """Whether the model may be sent the thinking of a message."""
        if message.provider != PROVIDER or self._thinking == "none":
            return False
        return self._thinking == "any" or message.model in {"", self._model}

    def _call(self, call: ToolCall) -> Json:
        name = sent_name(call.name)
        arguments = call.arguments if call.malformed is None else {"INVALID_JSON": call.malformed}
        block = {"type": "tool_use", "id": self._ids.of_call(call.id), "name": name, "input": arguments}
        self.called[name] = None
        self._open.append(_Call(call.id, block))
        return block

    def _result(self, result: ToolResult) -> None:
        waiting = next((one for one in self._open if one.call_id == result.call_id and one.result is None), None)
        if waiting is not None:
            waiting.result = _result_block(waiting.block["id"], result.content, error=result.error)
        elif result.content.strip():
            self._strays.append(_text(f"{result.name}: {result.content}"))

    def _answer_calls(self) -> None:
        """All results of a step in one turn, in the order of the calls, before anything else."""
        if not self._open and not self._strays:
            return
        blocks = [one.result or _result_block(one.block["id"], NO_RESULT, error="no_result") for one in self._open]
        self._say("user", [*blocks, *self._images, *self._strays])
        self._open, self._strays, self._images = [], [], []
        self._stepping = True


def _last_said(messages: Sequence[Message]) -> int:
    """The place of what a model said last; -1 without it."""
    places = range(len(messages) - 1, -1, -1)
    return next((index for index in places if isinstance(messages[index], AssistantMessage)), -1)


def _user_blocks(parts: Iterable[UserPart], *, strict: bool) -> list[Json]:
    """What a user said; of what cannot be sent, a note remains unless `strict`: else it would end the session."""
    blocks: list[Json] = []
    for part in parts:
        if isinstance(part, Text):
            if part.text and not part.text.isspace():
                blocks.append(_text(part.text))
            continue
        try:
            blocks.append(media_block(part))
        except InvalidConfig:
            if strict:
                raise
            blocks.append(_text(note_of(part).text))
    return blocks


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


def _result_block(sent_id: str, content: str, *, error: str | None) -> Json:
    """An error is told in words; a result may be empty."""
    if error is None:
        return {"type": "tool_result", "tool_use_id": sent_id, "content": content}
    told = content if content.strip() else error or "error"
    return {"type": "tool_result", "tool_use_id": sent_id, "content": told, "is_error": True}
