"""What an Anthropic stand-in can be told to answer."""

from collections.abc import Iterator

import msgspec

from emonk.models.fields import as_list, as_object, as_text
from emonk.testing.answers import Chunks, Json, Raw, in_pieces

USAGE: Json = {"input_tokens": 10, "output_tokens": 5}

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def message(*blocks: Json, stop_reason: str = "", usage: Json = USAGE, model: str = "stand-in") -> Json:
    """A Message of these blocks; it stops for calls where there are some."""
    called = any(block.get("type") == "tool_use" for block in blocks)
    return {
        "id": "msg_stand_in",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": list(blocks),
        "stop_reason": stop_reason or ("tool_use" if called else "end_turn"),
        "stop_sequence": None,
        "usage": usage,
    }


def text(said: str) -> Json:
    """A block of text."""
    return {"type": "text", "text": said}


def thought(said: str, signature: str = "c2ln") -> Json:
    """A block of thinking."""
    return {"type": "thinking", "thinking": said, "signature": signature}


def calls(name: str, arguments: Json | None = None, *, call_id: str = "") -> Json:
    """A block that calls a tool."""
    return {"type": "tool_use", "id": call_id or f"toolu_{name}", "name": name, "input": arguments or {}}


def says(said: str, *, stop_reason: str = "end_turn", usage: Json = USAGE) -> Json:
    """An answer of one block of text."""
    return message(text(said), stop_reason=stop_reason, usage=usage)


def fails(status: int, said: str, *, kind: str = "", retry_after: float | None = None) -> Raw:
    """An error in Anthropic's form."""
    headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
    return Raw(msgspec.json.encode(error(status, said, kind=kind)), status, headers=headers)


def error(status: int, said: str, *, kind: str = "") -> Json:
    """The body of an error, which is also the data of an `error` event."""
    kind = kind or _KINDS.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": said}, "request_id": "req_stand_in"}


def overloaded() -> Raw:
    """Anthropic has more to do than it can."""
    return fails(529, "Overloaded")


def rate_limited(seconds: float) -> Raw:
    """A limit per minute that asks to wait."""
    return fails(429, "This request would exceed your organization's rate limit.", retry_after=seconds)


def quota_exhausted() -> Raw:
    """The credit is used up."""
    return fails(400, "Your credit balance is too low to access the Anthropic API.")


def stream(body: Json, *, size: int | None = None, drop: bool = False) -> Chunks:
    """A body as an event stream, one piece for each event, or in pieces of `size` bytes."""
    return in_pieces(map(event_bytes, events_of(body)), size=size, drop=drop)


def event_bytes(event: Json) -> bytes:
    """An event as it is sent."""
    return b"event: %b\ndata: %b\n\n" % (as_text(event.get("type")).encode(), msgspec.json.encode(event))


def events_of(body: Json) -> Iterator[Json]:
    """The events of the stream that a body would have come in."""
    usage = as_object(body.get("usage"))
    begun: Json = {**body, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield {"type": "message_start", "message": begun}
    yield {"type": "ping"}
    for index, block in enumerate(as_list(body.get("content"))):
        start, deltas = _cut(as_object(block))
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    delta = {"stop_reason": body.get("stop_reason"), "stop_sequence": body.get("stop_sequence")}
    yield {"type": "message_delta", "delta": delta, "usage": usage}
    yield {"type": "message_stop"}


def _cut(block: Json) -> tuple[Json, list[Json]]:
    """The beginning of a block, and what is added to it piece by piece."""
    match block:
        case {"type": "text", "text": said}:
            return {**block, "text": ""}, [{"type": "text_delta", "text": piece} for piece in _halves(said)]
        case {"type": "thinking", "thinking": said, "signature": signature}:
            deltas: list[Json] = [{"type": "thinking_delta", "thinking": piece} for piece in _halves(said)]
            return {**block, "thinking": "", "signature": ""}, [
                *deltas,
                {"type": "signature_delta", "signature": signature},
            ]
        case {"type": "tool_use", "input": arguments}:
            pieces = ["", *(_halves(msgspec.json.encode(arguments).decode()) if arguments else ())]
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
            return {**block, "input": {}}, deltas
        case _:
            return block, []


def _halves(said: str) -> list[str]:
    middle = (len(said) + 1) // 2
    return [piece for piece in (said[:middle], said[middle:]) if piece]
