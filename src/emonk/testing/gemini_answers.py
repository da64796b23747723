"""What a Gemini stand-in can be told to answer."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

Json = dict[str, Any]

USAGE: Json = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}


class SeenRequest(msgspec.Struct, frozen=True):
    """A request as the stand-in got it."""

    path: str
    headers: Mapping[str, str]
    body: Json

    @property
    def model(self) -> str:
        return self.path.rpartition("/")[2].partition(":")[0]

    @property
    def streaming(self) -> bool:
        return self.path.endswith(":streamGenerateContent")


class Raw(msgspec.Struct, frozen=True):
    """Exactly these bytes."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = {}


class Chunks(msgspec.Struct, frozen=True):
    """An event stream written in these pieces; `drop` closes the connection before the stream's proper end."""

    pieces: Sequence[bytes]
    drop: bool = False


class Drop(msgspec.Struct, frozen=True):
    """The connection is closed: before any byte of an answer, or, with `sent`, after these bytes of it."""

    sent: bytes = b""


Plain = Json | Raw | Chunks | Drop
Answer = Plain | Callable[[SeenRequest], Plain | Awaitable[Plain]]
"""A GenerateContentResponse body, another kind of answer, or a function of the request that gives one."""


def body(*parts: Json, finish_reason: str | None = "STOP", usage: Json = USAGE) -> Json:
    """A GenerateContentResponse of these parts; a chunk of a stream when `finish_reason` is None."""
    candidate: Json = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if finish_reason is not None:
        candidate["finishReason"] = finish_reason
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "stand-in", "responseId": "r1"}


def says(text: str, *, finish_reason: str | None = "STOP", usage: Json = USAGE) -> Json:
    """An answer of one text part."""
    return body({"text": text}, finish_reason=finish_reason, usage=usage)


def calls(name: str, arguments: Json | None = None, *, signature: str | None = None) -> Json:
    """A part that calls a function; put several into `body`."""
    part: Json = {"functionCall": {"name": name, "args": arguments or {}}}
    return part if signature is None else {**part, "thoughtSignature": signature}


def fails(code: int, message: str, *, status: str = "", details: Iterable[Json] = ()) -> Raw:
    """An error in Google's form."""
    error: Json = {"code": code, "message": message, "status": status or _STATUS.get(code, "UNKNOWN")}
    if details := list(details):
        error["details"] = details
    return Raw(msgspec.json.encode({"error": error}), code)


def rate_limited(seconds: float) -> Raw:
    """A per-minute limit that asks to wait."""
    return _quota("GenerateRequestsPerMinutePerProjectPerModel", seconds)


def quota_exhausted(seconds: float = 40.0) -> Raw:
    """A daily quota that is used up; the delay it names is short all the same, as Google's often is."""
    return _quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", seconds)


def stream(bodies: Iterable[Json], *, size: int | None = None, drop: bool = False) -> Chunks:
    """Bodies as an event stream, one piece each, or in pieces of `size` bytes."""
    events = [b"data: " + msgspec.json.encode(chunk) + b"\r\n\r\n" for chunk in bodies]
    if size is None:
        return Chunks(events, drop)
    whole = b"".join(events)
    return Chunks([whole[at : at + size] for at in range(0, len(whole), size)], drop)


_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def _quota(quota_id: str, seconds: float) -> Raw:
    violation = {"quotaMetric": "generativelanguage.googleapis.com/generate_requests", "quotaId": quota_id}
    details: list[Json] = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{seconds:g}s"},
    ]
    return fails(429, "You exceeded your current quota.", details=details)
