"""A response of the responses API as it comes together, from one body or from the events of a stream.

https://developers.openai.com/api/reference/resources/responses. There is no finish reason in it: it is the reason of
`incomplete_details` where there is one, else the `status`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from emonk.errors import Unavailable
from emonk.messages import AssistantMessage, AssistantPart, Blob, Foreign, Text, Thinking
from emonk.models.fields import as_bytes, as_list, as_object, as_text
from emonk.models.openai.calls import PendingCall, arguments_text, read_calls
from emonk.models.openai.errors import Failure, read_failure
from emonk.models.openai.responses_request import PHASES
from emonk.models.openai.usage import read_responses_usage
from emonk.models.outcome import outcome_of
from emonk.models.protocol import ModelDelta, ModelResponse, Outcome, TextDelta, ThinkingDelta
from emonk.models.surrogates import decoded
from emonk.records import Usage

OUTCOMES: Mapping[str, Outcome] = {
    "max_output_tokens": Outcome.TRUNCATED,
    "max_tokens": Outcome.TRUNCATED,
    "incomplete": Outcome.TRUNCATED,
    "content_filter": Outcome.BLOCKED,
}
"""Finish reasons that say more than the content does."""

_ENDS = frozenset({"response.completed", "response.incomplete", "response.done"})


class Body(msgspec.Struct):
    """A response; what is not read here is skipped."""

    id: Any = None
    model: Any = None
    status: Any = None
    incomplete_details: Any = None
    output: Any = None
    usage: Any = None
    error: Any = None
    object: Any = None


_decode = msgspec.json.Decoder(Body).decode
_decode_any = msgspec.json.Decoder().decode


class ResponsesAnswer:
    """An answer of the responses API.

    Attributes:
        complete: the answer has ended.
        done: nothing more is to come.
    """

    def __init__(self, model: str, provider: str, names: Mapping[str, str]) -> None:
        """Begin an answer; see `ChatAnswer`."""
        self.complete = False
        self.done = False
        self._asked = model
        self._provider = provider
        self._names = names
        self._body = Body()
        self._items: dict[int, dict[str, Any]] = {}
        self._calls: dict[int, PendingCall] = {}
        self._said: dict[tuple[int, int], bool] = {}

    def whole(self, raw: bytes) -> None:
        """Take in a whole body.

        Raises:
            EmonkError: it is an error, or no response.
        """
        try:
            body = decoded(_decode, raw)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise self._failure(raw) from None
        if body.error or body.object == "error" or not isinstance(body.output, list):
            raise self._failure(raw)
        self._end(body)

    def add(self, raw: bytes, event: str = "") -> Iterator[ModelDelta]:
        """Take in the data of one event of a stream, and give what it adds.

        Raises:
            EmonkError: it is an error, or no event.
        """
        if raw.strip() == b"[DONE]":
            return
        try:
            said = decoded(_decode_any, raw)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise self._failure(raw) from None
        found = as_object(said)
        kind = as_text(found.get("type")) or event
        if kind in {"error", "response.failed"} or (found.get("error") and not kind.startswith("response.")):
            raise self._failure(raw)
        if kind in _ENDS:
            self._end(_body_of(as_object(found.get("response"))))
            return
        if kind.startswith("response.output_item."):
            yield from self._take_item(found, as_object(found.get("item")), done=kind.endswith(".done"))
        else:
            yield from self._take_delta(kind, found)

    def response(self) -> ModelResponse:
        """What has come so far, as a whole."""
        body = self._body
        items = [as_object(item) for item in as_list(body.output)] or [self._items[at] for at in sorted(self._items)]
        incomplete = as_text(as_object(body.incomplete_details).get("reason"))
        finish_reason = incomplete or as_text(body.status)
        word = OUTCOMES.get(finish_reason)
        reader = _Reader(self._provider, self._names, cut=word is Outcome.TRUNCATED)
        message = AssistantMessage(tuple(reader.read(items)), self._provider, self._asked)
        return ModelResponse(
            message=message,
            outcome=outcome_of(message, Outcome.BLOCKED if reader.refused else word, lost=reader.lost),
            finish_reason=finish_reason,
            usage=read_responses_usage(body.usage) if body.usage else Usage(),
            model=as_text(body.model) or self._asked,
            response_id=as_text(body.id),
        )

    def _end(self, body: Body) -> None:
        if as_text(body.status) in {"failed", "cancelled"}:
            failed = {"error": body.error or {"message": f"the answer is {body.status}"}}
            raise self._failure(msgspec.json.encode(failed))
        self._body = body
        self.complete = self.done = True

    def _failure(self, raw: bytes) -> Failure:
        failure = read_failure(200, {}, raw, model=self._asked)
        if isinstance(failure, Unavailable) and failure.code == "malformed_body":
            return Unavailable(f"{self._asked}: the answer cannot be read", code="malformed_body")
        return failure

    def _take_item(self, event: Mapping[str, Any], item: dict[str, Any], *, done: bool) -> Iterator[ModelDelta]:
        at = event.get("output_index")
        at = at if isinstance(at, int) else len(self._items)
        if item.get("type") == "function_call" and at not in self._calls:
            call = PendingCall(len(self._calls), as_text(item.get("call_id")), as_text(item.get("name")))
            self._calls[at] = call
            if delta := call.add(arguments_text(item.get("arguments")), self._names):
                yield delta
        elif item.get("type") == "function_call" and done:
            yield from self._rest_of(self._calls[at], arguments_text(item.get("arguments")))
        if done:
            self._items[at] = item

    def _take_delta(self, kind: str, event: Mapping[str, Any]) -> Iterator[ModelDelta]:
        at, within = _index(event, "output_index"), _index(event, "content_index")
        text = as_text(event.get("delta"))
        match kind:
            case "response.output_text.delta" | "response.refusal.delta" if text:
                self._said[at, within] = True
                yield TextDelta(text)
            case "response.output_text.done" | "response.refusal.done" if (at, within) not in self._said:
                if whole := as_text(event.get("text")) or as_text(event.get("refusal")):
                    self._said[at, within] = True
                    yield TextDelta(whole)
            case "response.reasoning_text.delta" | "response.reasoning_summary_text.delta" if text:
                yield ThinkingDelta(text)
            case "response.function_call_arguments.delta" if text and at in self._calls:
                if delta := self._calls[at].add(text, self._names):
                    yield delta
            case _:
                return

    def _rest_of(self, call: PendingCall, whole: str) -> Iterator[ModelDelta]:
        """What the deltas of a call left out, if a server sends none."""
        known = call.arguments
        if whole.startswith(known) and (delta := call.add(whole[len(known) :], self._names)):
            yield delta


class _Reader:
    """Turns items into parts."""

    def __init__(self, provider: str, names: Mapping[str, str], *, cut: bool) -> None:
        self.refused = False
        self.lost = False
        self._provider = provider
        self._names = names
        self._cut = cut

    def read(self, items: list[dict[str, Any]]) -> Iterator[AssistantPart]:
        calls = [_call(item) for item in items if item.get("type") == "function_call"]
        read = {
            id(call): part
            for call, part in zip(_named(calls), read_calls(calls, self._names, cut=self._cut), strict=True)
        }
        self.lost = len(read) < len(calls)
        pending = iter(calls)
        for item in items:
            match item.get("type"):
                case "message":
                    yield from self._message(item)
                case "function_call":
                    if part := read.get(id(next(pending))):
                        yield part
                case "reasoning":
                    yield Foreign(self._provider, item)
                    if text := _thought(item):
                        yield Thinking(text)
                case "image_generation_call":
                    if data := as_bytes(item.get("result")):
                        yield Blob(f"image/{as_text(item.get('output_format')) or 'png'}", data)
                case _:
                    if item:
                        yield Foreign(self._provider, item)

    def _message(self, item: Mapping[str, Any]) -> Iterator[AssistantPart]:
        phase = item.get("phase")
        signature = as_text(item.get("id"))
        if as_text(phase) in PHASES:
            signature = f"{signature} {phase}"
        content = item.get("content")
        if isinstance(content, str):
            content = [{"text": content}]
        for part in map(as_object, as_list(content)):
            refusal = as_text(part.get("refusal"))
            self.refused = self.refused or bool(refusal)
            if text := refusal or as_text(part.get("text")):
                yield Text(text, signature or None)


def _named(calls: list[PendingCall]) -> list[PendingCall]:
    return [call for call in calls if call.name]


def _call(item: Mapping[str, Any]) -> PendingCall:
    identifier = as_text(item.get("call_id")) or as_text(item.get("id"))
    call = PendingCall(0, identifier, as_text(item.get("name")), as_text(item.get("id")) or None)
    call.add(arguments_text(item.get("arguments")), {})
    return call


def _thought(item: Mapping[str, Any]) -> str:
    """What can be read of reasoning: its summary, else its text."""
    for field in ("summary", "content"):
        texts = [as_text(as_object(part).get("text")) for part in as_list(item.get(field))]
        if text := "\n\n".join(one for one in texts if one):
            return text
    return ""


def _index(event: Mapping[str, Any], field: str) -> int:
    found = event.get(field)
    return found if isinstance(found, int) else 0


def _body_of(response: dict[str, Any]) -> Body:
    return Body(**{field: response.get(field) for field in Body.__struct_fields__})
