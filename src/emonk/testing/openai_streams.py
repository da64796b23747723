"""Whole answers of OpenAI's two APIs as the event streams that would bring them."""

import re
from collections.abc import Iterator
from itertools import count
from typing import Any

import msgspec

from emonk.models.fields import as_list, as_object, as_text
from emonk.testing.openai_answers import Json, chunk, delta

_PIECE = re.compile(r"\S*\s*")


def completion_events(body: Json, *, usage: bool) -> Iterator[bytes]:
    """A completion in chunks: text word by word, arguments in halves, usage in a chunk of its own if asked for."""
    choice = as_object(next(iter(as_list(body.get("choices"))), None))
    said = as_object(choice.get("message"))
    yield _data(chunk(delta(role="assistant", content="")))
    for field, value in said.items():
        match field:
            case "role":
                continue
            case "tool_calls":
                for index, call in enumerate(as_list(value)):
                    yield from (_data(chunk(delta(tool_calls=[piece]))) for piece in _call_pieces(index, call))
            case _ if isinstance(value, str):
                yield from (_data(chunk(delta(**{field: piece}))) for piece in _PIECE.findall(value) if piece)
            case _ if value is not None:
                yield _data(chunk(delta(**{field: value})))
            case _:
                continue
    yield _data(chunk(delta(as_text(choice.get("finish_reason")) or None)))
    if usage and body.get("usage"):
        yield _data(chunk(usage=body["usage"]))
    yield b"data: [DONE]\n\n"


def _call_pieces(index: int, call: Any) -> Iterator[Json]:
    function = as_object(as_object(call).get("function"))
    arguments = as_text(function.get("arguments"))
    half = len(arguments) // 2
    yield {**call, "index": index, "function": {**function, "arguments": ""}}
    for piece in (arguments[:half], arguments[half:]):
        if piece:
            yield {"index": index, "function": {"arguments": piece}}


def response_events(body: Json) -> Iterator[bytes]:
    """A response in events, numbered as OpenAI numbers them."""
    numbers = count()
    begun: Json = {**body, "status": "in_progress", "output": [], "usage": None}
    end = {"failed": "response.failed", "incomplete": "response.incomplete"}.get(body["status"], "response.completed")
    said: list[tuple[str, Json]] = [
        ("response.created", {"response": begun}),
        *(event for at, item in enumerate(as_list(body.get("output"))) for event in _item_events(at, item)),
        (end, {"response": body}),
    ]
    for kind, fields in said:
        event = {"type": kind, "sequence_number": next(numbers), **fields}
        yield b"event: " + kind.encode() + b"\n" + _data(event)


def _item_events(at: int, item: Json) -> Iterator[tuple[str, Json]]:
    place = {"output_index": at, "item_id": item.get("id", "")}
    match item.get("type"):
        case "message":
            yield "response.output_item.added", {"output_index": at, "item": {**item, "content": []}}
            for index, part in enumerate(as_list(item.get("content"))):
                yield from _text_events({**place, "content_index": index}, as_object(part))
        case "function_call":
            yield "response.output_item.added", {"output_index": at, "item": {**item, "arguments": ""}}
            arguments = as_text(item.get("arguments"))
            half = len(arguments) // 2
            for piece in (arguments[:half], arguments[half:]):
                if piece:
                    yield "response.function_call_arguments.delta", {**place, "delta": piece}
            yield "response.function_call_arguments.done", {**place, "name": item["name"], "arguments": arguments}
        case _:
            yield "response.output_item.added", {"output_index": at, "item": item}
            for index, part in enumerate(as_list(item.get("summary"))):
                told = {**place, "summary_index": index}
                yield "response.reasoning_summary_text.delta", {**told, "delta": as_object(part).get("text", "")}
    yield "response.output_item.done", {"output_index": at, "item": item}


def _text_events(place: Json, part: Json) -> Iterator[tuple[str, Json]]:
    field = "refusal" if part.get("type") == "refusal" else "text"
    kind = "response.refusal" if field == "refusal" else "response.output_text"
    rest: Json = {} if field == "refusal" else {"logprobs": []}
    text = as_text(part.get(field))
    yield "response.content_part.added", {**place, "part": {**part, field: ""}}
    for piece in _PIECE.findall(text):
        if piece:
            yield f"{kind}.delta", {**place, **rest, "delta": piece}
    yield f"{kind}.done", {**place, **rest, field: text}
    yield "response.content_part.done", {**place, "part": part}


def _data(event: Json) -> bytes:
    return b"data: " + msgspec.json.encode(event) + b"\n\n"
