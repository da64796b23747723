"""What a Gemini stand-in can be told to answer."""

from collections.abc import Iterable

import msgspec

from emonk.testing.answers import Answer, Chunks, Drop, Json, Plain, Raw, SeenRequest, in_pieces

__all__ = [
    "USAGE", "Answer", "Chunks", "Drop", "Json", "Plain", "Raw", "SeenRequest",
    "body", "calls", "event_bytes", "fails", "quota_exhausted", "rate_limited", "says", "stream",
]  # fmt: skip

USAGE: Json = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}


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
    return in_pieces(map(event_bytes, bodies), size=size, drop=drop)


def event_bytes(body: Json) -> bytes:
    """A body as an event is sent."""
    return b"data: " + msgspec.json.encode(body) + b"\r\n\r\n"


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
