"""A chat completion as it comes together, from one body or from the chunks of a stream, and what it means.

https://developers.openai.com/api/reference/resources/chat, and recorded traffic of a dozen servers that speak it: each
leaves something out or adds something of its own, so whatever is of the wrong type counts as absent.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from emonk.errors import Unavailable
from emonk.messages import AssistantMessage, AssistantPart, Blob, Foreign, Text, Thinking
from emonk.models.fields import as_bytes, as_list, as_object, as_text
from emonk.models.openai.calls import PendingCall, arguments_text, read_calls
from emonk.models.openai.chat_request import DETAILS, REASONING_FIELDS
from emonk.models.openai.details import join_details, told_by
from emonk.models.openai.errors import Failure, read_failure
from emonk.models.openai.usage import read_chat_usage
from emonk.models.outcome import outcome_of
from emonk.models.protocol import ModelDelta, ModelResponse, Outcome, TextDelta, ThinkingDelta
from emonk.models.surrogates import decoded
from emonk.records import Usage

OUTCOMES: Mapping[str, Outcome] = {
    "length": Outcome.TRUNCATED,
    "max_tokens": Outcome.TRUNCATED,
    "max_output_tokens": Outcome.TRUNCATED,
    "model_length": Outcome.TRUNCATED,
    "content_filter": Outcome.BLOCKED,
    "content_filtered": Outcome.BLOCKED,
    "guardrail_intervened": Outcome.BLOCKED,
    "prohibited_content": Outcome.BLOCKED,
    "recitation": Outcome.BLOCKED,
    "refusal": Outcome.BLOCKED,
    "safety": Outcome.BLOCKED,
    "sensitive": Outcome.BLOCKED,
    "error": Outcome.MALFORMED,
    "malformed_function_call": Outcome.MALFORMED,
}
"""Finish reasons that say more than the content does, in lower case: OpenAI's own, and those of compatible servers."""

_STOPPED_SHORT = frozenset({"insufficient_system_resource"})
"""DeepSeek's word for an answer that it could not finish."""

_DONE = b"[DONE]"


class Chunk(msgspec.Struct):
    """A completion, or a chunk of one; what is not read here is skipped."""

    id: Any = None
    model: Any = None
    choices: Any = None
    usage: Any = None
    error: Any = None
    object: Any = None
    x_groq: Any = None


_decode = msgspec.json.Decoder(Chunk).decode


class ChatAnswer:
    """An answer of chat completions.

    Attributes:
        complete: the answer has ended, though its usage may be still to come.
        done: nothing more is to come.
    """

    def __init__(self, model: str, provider: str, names: Mapping[str, str]) -> None:
        """Begin an answer.

        Args:
            model: that was asked.
            provider: of the message, see `AssistantMessage`.
            names: tools by the names that they were sent under, where those differ.
        """
        self.complete = False
        self.done = False
        self._asked = self._model = model
        self._provider = provider
        self._names = names
        self._id = ""
        self._finish_reason = ""
        self._usage = Usage()
        self._text: list[str] = []
        self._thinking: list[tuple[str, str]] = []
        self._details: list[Any] = []
        self._blobs: list[Blob] = []
        self._calls: list[PendingCall] = []
        self._by_index: dict[int, PendingCall] = {}
        self._whole = False
        self._refused = False
        self._lost = False

    def whole(self, raw: bytes) -> None:
        """Take in a whole body.

        Raises:
            EmonkError: it is an error, or no completion.
        """
        chunk = self._read(raw)
        if not isinstance(chunk.choices, list):
            raise self._failure(raw)
        self.complete = self.done = self._whole = True
        for _ in self._take(chunk, "message"):
            pass

    def add(self, raw: bytes, event: str = "") -> Iterator[ModelDelta]:
        """Take in the data of one event of a stream, and give what it adds.

        Raises:
            EmonkError: it is an error, or no chunk.
        """
        if raw.strip() == _DONE:
            self.complete = self.done = True
            return iter(())
        chunk = self._read(raw)
        if event == "error":
            raise self._failure(raw)
        return self._take(chunk, "delta")

    def response(self) -> ModelResponse:
        """What has come so far, as a whole."""
        word = OUTCOMES.get(self._finish_reason.lower())
        calls = read_calls(self._calls, self._names, cut=word is Outcome.TRUNCATED)
        message = AssistantMessage((*self._parts(), *calls), self._provider)
        lost = self._lost or len(calls) < len(self._calls)
        return ModelResponse(
            message=message,
            outcome=outcome_of(message, Outcome.BLOCKED if self._refused else word, lost=lost),
            finish_reason=self._finish_reason,
            usage=self._usage,
            model=self._model,
            response_id=self._id,
        )

    def _parts(self) -> Iterator[AssistantPart]:
        fields = dict.fromkeys(field for field, _ in self._thinking)
        for field in fields:
            yield Thinking("".join([text for name, text in self._thinking if name == field]), field or None)
        if self._details:
            details = self._details if self._whole else join_details(self._details)
            yield Foreign(self._provider, {DETAILS: details})
        if text := "".join(self._text):
            yield Text(text)
        yield from self._blobs

    def _read(self, raw: bytes) -> Chunk:
        try:
            chunk = decoded(_decode, raw)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise self._failure(raw) from None
        if chunk.error or chunk.object == "error":
            raise self._failure(raw)
        return chunk

    def _failure(self, raw: bytes) -> Failure:
        failure = read_failure(200, {}, raw, model=self._asked)
        if isinstance(failure, Unavailable) and failure.code == "malformed_body":
            return Unavailable(f"{self._asked}: the answer cannot be read", code="malformed_body")
        return failure

    def _take(self, chunk: Chunk, field: str) -> Iterator[ModelDelta]:
        self._id = as_text(chunk.id) or self._id
        self._model = as_text(chunk.model) or self._model
        choice = as_object(next(iter(as_list(chunk.choices)), None))
        for usage in (as_object(chunk.x_groq).get("usage"), choice.get("usage"), chunk.usage):
            if usage and isinstance(usage, dict):
                self._usage = read_chat_usage(usage)
        if not choice:
            return
        if isinstance(choice.get("error"), dict):  # OpenRouter, when a provider behind it fails on the way
            raise self._failure(msgspec.json.encode({"error": choice["error"]}))
        if reason := as_text(choice.get("finish_reason")):
            if reason in _STOPPED_SHORT:
                raise Unavailable(f"{self._asked} stopped: {reason}", code="interrupted")
            self._finish_reason = reason
            self.complete = True
        message = as_object(choice.get(field)) or as_object(choice.get("message"))
        yield from self._take_message(message, whole=field == "message")

    def _take_message(self, message: Mapping[str, Any], *, whole: bool) -> Iterator[ModelDelta]:
        yield from self._take_reasoning(message)
        yield from self._take_content(message.get("content"))
        if refusal := as_text(message.get("refusal")):
            yield from self._refuse(refusal)
        for image in as_list(message.get("images")):
            self._take_image(as_object(image))
        for call in as_list(message.get("tool_calls")):
            yield from self._take_call(as_object(call), whole=whole)
        legacy = as_object(message.get("function_call"))
        if legacy.get("name") or (legacy and self._calls):
            yield from self._take_call({"function": legacy}, whole=whole)

    def _take_reasoning(self, message: Mapping[str, Any]) -> Iterator[ModelDelta]:
        details = as_list(message.get(DETAILS))
        self._details += details
        for field in REASONING_FIELDS:
            if text := as_text(message.get(field)):
                yield self._think(field, text)
                return
        if text := told_by(details):
            yield self._think("", text)

    def _think(self, field: str, text: str) -> ThinkingDelta:
        self._thinking.append((field, text))
        return ThinkingDelta(text)

    def _take_content(self, content: Any) -> Iterator[ModelDelta]:
        if isinstance(content, str):
            if content:
                self._text.append(content)
                yield TextDelta(content)
            return
        for part in map(as_object, as_list(content)):  # Mistral's and others' parts
            match part.get("type"):
                case "thinking":
                    inner = part.get("thinking")
                    text = as_text(inner) or "".join(as_text(as_object(one).get("text")) for one in as_list(inner))
                    if text:
                        yield self._think("", text)
                case "refusal":
                    yield from self._refuse(as_text(part.get("refusal")))
                case "image_url":
                    self._take_image(part)
                case _:
                    yield from self._take_content(as_text(part.get("text")))

    def _refuse(self, refusal: str) -> Iterator[ModelDelta]:
        """The words of a refusal are what the model said; that it is one is told by the outcome."""
        self._refused = self._refused or bool(refusal)
        return self._take_content(refusal)

    def _take_image(self, image: Mapping[str, Any]) -> None:
        head, _, data = as_text(as_object(image.get("image_url")).get("url")).partition(";base64,")
        read = as_bytes(data)
        if head.startswith("data:") and read:
            self._blobs.append(Blob(head.removeprefix("data:"), read))
        else:
            self._lost = True

    def _take_call(self, wire: Mapping[str, Any], *, whole: bool) -> Iterator[ModelDelta]:
        function = as_object(wire.get("function")) or as_object(wire.get("custom"))
        name, identifier, index = as_text(function.get("name")), as_text(wire.get("id")), wire.get("index")
        call = None if whole else self._begun(index, identifier, name)
        if call is None:
            call = PendingCall(len(self._calls), identifier, name)
            self._calls.append(call)
        elif name and name != call.name:
            call.name += name
        if isinstance(index, int):
            self._by_index[index] = call
        text = arguments_text(function.get("arguments") or function.get("input"))
        if delta := call.add(text, self._names):
            yield delta

    def _begun(self, index: Any, identifier: str, name: str) -> PendingCall | None:
        """The call that a piece goes on with.

        The index tells, where there is one. But some servers give every call the index 0, and an id and a name of its
        own; and some give no index: then what has a name begins a call.
        """
        if isinstance(index, int):
            call = self._by_index.get(index)
            other = call is not None and identifier and name and call.given and identifier != call.given
            return None if other else call
        last = self._calls[-1] if self._calls else None
        if identifier:
            same = next((call for call in self._calls if call.given == identifier), None)
            return same if same is not None or name else last
        return None if name and last is not None and last.arguments else last if not name else None
