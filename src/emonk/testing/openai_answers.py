"""What an OpenAI stand-in can be told to answer: bodies of both APIs, errors, and their streams."""

from collections.abc import Iterable
from typing import Any

import msgspec

from emonk.testing.answers import Chunks, Json, Raw, in_pieces

USAGE: Json = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
RESPONSES_USAGE: Json = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 15,
}


def message(content: str | None = None, *tool_calls: Json, **fields: Any) -> Json:
    """A completion of this text and these calls; other fields of its message, such as `refusal`, by name."""
    said: Json = {"role": "assistant", "content": content, "refusal": None, **fields}
    if tool_calls:
        said["tool_calls"] = list(tool_calls)
    return completion(said, finish_reason="tool_calls" if tool_calls else "stop")


def completion(said: Json, *, finish_reason: str | None = "stop", usage: Json | None = USAGE) -> Json:
    """A whole chat completion of one message."""
    body: Json = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "stand-in",
        "choices": [{"index": 0, "message": said, "logprobs": None, "finish_reason": finish_reason}],
    }
    return body if usage is None else {**body, "usage": usage}


def call(name: str, arguments: Json | str = "{}", *, call_id: str = "call_1") -> Json:
    """A tool call of a completion; put several into `message`. Arguments that are text are sent as they are."""
    text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}


def response(
    *output: Json, status: str = "completed", usage: Json | None = RESPONSES_USAGE, reason: str | None = None
) -> Json:
    """A whole response of these items; `reason` is why it is incomplete."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": status,
        "error": None,
        "incomplete_details": None if reason is None else {"reason": reason},
        "instructions": None,
        "metadata": {},
        "model": "stand-in",
        "output": list(output),
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": usage,
    }


def item(text: str, *, item_id: str = "msg_1", phase: str | None = None) -> Json:
    """A message in a response."""
    content: Json = {"type": "output_text", "text": text, "annotations": []}
    said: Json = {"id": item_id, "type": "message", "role": "assistant", "status": "completed", "content": [content]}
    return said if phase is None else {**said, "phase": phase}


def item_call(name: str, arguments: Json | str = "{}", *, call_id: str = "call_1", item_id: str = "fc_1") -> Json:
    """A tool call in a response."""
    text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
    return {
        "id": item_id,
        "type": "function_call",
        "status": "completed",
        "call_id": call_id,
        "name": name,
        "arguments": text,
    }


def item_reasoning(summary: str = "", *, encrypted: str | None = "gAAAAAB", item_id: str = "rs_1") -> Json:
    """Reasoning in a response, with what it says of itself and what only OpenAI can read."""
    told = [{"type": "summary_text", "text": summary}] if summary else []
    return {"id": item_id, "type": "reasoning", "summary": told, "encrypted_content": encrypted}


def fails(
    status: int,
    text: str,
    *,
    kind: str = "",
    code: str | None = None,
    param: str | None = None,
    wait: float | None = None,
) -> Raw:
    """An error in OpenAI's form; `wait` is a `Retry-After` in seconds."""
    kind = kind or ("invalid_request_error" if status < 500 else "server_error")
    headers = {} if wait is None else {"Retry-After": f"{wait:g}"}
    error = {"message": text, "type": kind, "param": param, "code": code}
    return Raw(msgspec.json.encode({"error": error}), status, headers=headers)


def rate_limited(seconds: float) -> Raw:
    """A per-minute limit that asks to wait."""
    return fails(429, "Rate limit reached for requests", kind="requests", code="rate_limit_exceeded", wait=seconds)


def quota_exhausted() -> Raw:
    """Credit that is used up, which no waiting mends."""
    said = "You exceeded your current quota, please check your plan and billing details."
    return fails(429, said, kind="insufficient_quota", code="insufficient_quota")


def context_overflow(limit: int = 128_000, asked: int = 130_000) -> Raw:
    """A conversation that is longer than the model takes."""
    said = f"This model's maximum context length is {limit} tokens. However, your messages resulted in {asked} tokens."
    return fails(400, said, code="context_length_exceeded", param="messages")


def stream(bodies: Iterable[Json], *, size: int | None = None, drop: bool = False, done: bool = True) -> Chunks:
    """Chunks of a completion as an event stream, one piece each, or in pieces of `size` bytes."""
    events = [b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in bodies]
    if done:
        events.append(b"data: [DONE]\n\n")
    return in_pieces(events, size=size, drop=drop)


def chunk(*choices: Json, usage: Json | None = None) -> Json:
    """One chunk of a stream."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "stand-in",
        "choices": list(choices),
        "usage": usage,
    }


def delta(finish_reason: str | None = None, **fields: Any) -> Json:
    """What a chunk adds to the first choice."""
    return {"index": 0, "delta": fields, "logprobs": None, "finish_reason": finish_reason}
