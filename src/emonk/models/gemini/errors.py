"""What the errors of the Gemini API and of Vertex AI mean. https://cloud.google.com/apis/design/errors."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from emonk.errors import (
    ConfigError,
    InfraError,
    InvalidConfig,
    MissingCredential,
    QuotaExhausted,
    RateLimited,
    Unavailable,
)
from emonk.models.error_body import one_line
from emonk.models.fields import as_count, as_list, as_object, as_text
from emonk.models.http import retry_after, status_failure
from emonk.models.names import names_hint
from emonk.models.waits import HOURS

_DELAY = re.compile(r"(\d{1,9}(?:\.\d+)?)s")
_RETRY_IN = re.compile(r"retry in (\d{1,9}(?:\.\d+)?)s")
_DAILY = re.compile(r"(?i)per[ _-]?day|daily")
_NOTHING_ALLOWED = re.compile(r"\blimit: 0(?![.\d])")
_OVERFLOW = re.compile(r"(?is)token count.*(exceeds|supports? (only )?up to)|exceeds the maximum number of tokens")
_BAD_KEY = re.compile(r"(?i)API[ _]key (not valid|expired|not found)|API_KEY_INVALID")


class Status(msgspec.Struct):
    """A google.rpc.Status, as far as it could be read."""

    code: int = 0
    message: str = ""
    details: tuple[dict[str, Any], ...] = ()


def read_failure(status: int, headers: Mapping[str, str], body: bytes, *, model: str) -> InfraError | ConfigError:
    """The error that an HTTP answer stands for, also when a stream was asked for and something else came."""
    try:
        said: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        said = None
    if isinstance(said, list):
        said = next(iter(as_list(said)), None)
    rpc = read_status(as_object(said).get("error"))
    if status < 400 and not rpc.code:
        return Unavailable(f"Gemini ({model}) sent something that is no event stream", code="malformed_body")
    return failure(status if status >= 400 else rpc.code, rpc, model=model, wait=retry_after(headers))


def read_status(error: Any) -> Status:
    """A Status from whatever stands where one should be."""
    found = as_object(error)
    details = tuple(as_object(detail) for detail in as_list(found.get("details")))
    return Status(as_count(found.get("code")), as_text(found.get("message")), details)


def failure(status: int, rpc: Status, *, model: str, wait: float | None = None) -> InfraError | ConfigError:
    """The error that a status and its details stand for; `wait` is the `Retry-After` header in seconds."""
    said = one_line(rpc.message) or f"HTTP {status}"
    message = f"Gemini ({model}): {said}"
    waits = [seconds for seconds in (wait, _retry_delay(rpc)) if seconds is not None]
    wait = max(waits, default=None)
    match status:
        case 429 if _exhausted(rpc, wait):
            hint = "use another model or key, or wait for the quota to be renewed"
            return QuotaExhausted(message, hint=hint, retry_after=wait)
        case 429:
            return RateLimited(message, retry_after=wait)
        case 400 if _BAD_KEY.search(said) or any(detail.get("reason") == "API_KEY_INVALID" for detail in rpc.details):
            return MissingCredential(message, hint="check GEMINI_API_KEY")
        case 400 | 413 if _OVERFLOW.search(said):
            return InvalidConfig(message, hint="shorten the conversation", code="context_overflow")
        case 404:
            return InvalidConfig(message, hint=names_hint("gemini", model))
        case _:
            return status_failure(status, message, wait=wait)


def _retry_delay(rpc: Status) -> float | None:
    for detail in rpc.details:
        if match := _DELAY.fullmatch(as_text(detail.get("retryDelay"))):
            return float(match[1])
    match = _RETRY_IN.search(rpc.message)
    return float(match[1]) if match else None


def _exhausted(rpc: Status, wait: float | None) -> bool:
    if wait is not None and wait >= HOURS:
        return True
    if _NOTHING_ALLOWED.search(rpc.message) or _DAILY.search(rpc.message):
        return True
    return any(_used_up(limit) for detail in rpc.details for limit in _limits(detail))


def _limits(detail: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What `google.rpc.QuotaFailure` and `google.rpc.ErrorInfo` say about limits."""
    yield from map(as_object, as_list(detail.get("violations")))
    yield as_object(detail.get("metadata"))


def _used_up(limit: dict[str, Any]) -> bool:
    names = ("quotaId", "quotaMetric", "quota_limit", "description")
    return as_text(limit.get("quotaValue")) == "0" or any(_DAILY.search(as_text(limit.get(name))) for name in names)
