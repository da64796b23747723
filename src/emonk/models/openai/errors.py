"""What the errors of the OpenAI API mean, and those of the many servers that speak it.

Sources: https://platform.openai.com/docs/guides/error-codes and .../rate-limits; OpenRouter's "Errors and Debugging";
what vLLM, Ollama, llama.cpp, LM Studio, Groq, Azure, Mistral and xAI are seen to send in the issues of their users.
"""

import re
from collections.abc import Callable, Mapping

import msgspec

from emonk.errors import (
    ConfigError,
    InfraError,
    InvalidConfig,
    MalformedOutput,
    MissingCredential,
    QuotaExhausted,
    RateLimited,
    Unavailable,
)
from emonk.models.error_body import ErrorBody, one_line, read_error_body
from emonk.models.fields import as_count, as_object, as_text
from emonk.models.http import status_failure
from emonk.models.names import names_hint
from emonk.models.waits import HOURS, header_wait, now_or, reset_wait, said_wait, until

Failure = InfraError | ConfigError | MalformedOutput

LIMITS = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
)
"""The headers of a limit: what is left, and when it is whole again."""

_PAID = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance"})
_OVERFLOWS = frozenset({"context_length_exceeded", "exceed_context_size_error"})
_KEYS = frozenset({"invalid_api_key", "authentication_error"})
_MODELS = frozenset({"model_not_found", "deploymentnotfound"})
_POLICIES = frozenset({"content_filter", "content_policy_violation"})
_UNREADABLE = frozenset({"tool_use_failed", "output_parse_failed"})  # Groq's, of what the model wrote

_STATUS_OF: Mapping[str, int] = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "permission_error": 403,
    "not_found_error": 404,
    "timeout": 504,
}
"""What an error means that comes with HTTP 200, in a stream or instead of one; anything else is a 500."""

_OVERFLOW = re.compile(
    r"(?i)maximum (?:context|prompt|model) length|(?:prompt|input) is too long|requested tokens .{0,40}exceed context"
    r"|context (?:length|window|size) (?:of only|(?:has been )?exceeded)|exceeds? the (?:available |maximum )?context"
)
_ANSWER_TOO_LONG = re.compile(r"(?i)max_\w{0,20}tokens\b.{0,40} too large")  # a setting, and no long conversation
_TOO_LARGE = re.compile(r"(?i)request too large for ")  # for a whole minute's tokens: waiting will not help
_SCHEMA = re.compile(
    r"Invalid schema for (?P<what>(?:function|response_format) '[^']{1,80}')"
    r"(?:: In context=\((?P<place>[^)]{0,400})\))?"
)
_LONG_TERM = re.compile(r"(?i)per[ _-]?(?:day|week|month)|daily|weekly|monthly|\b[RT]PD\b")


class _Refusal(msgspec.Struct, frozen=True):
    """An answer on its way to an error; `names` are the types and codes that it goes by."""

    status: int
    names: frozenset[str]
    message: str
    model: str
    wait: float | None
    body: ErrorBody

    @property
    def said(self) -> str:
        return self.body.said


def read_failure(
    status: int, headers: Mapping[str, str], body: bytes, *, model: str, now: float | None = None
) -> Failure:
    """The error that an HTTP answer stands for, also when a stream was asked for and something else came.

    An error event of a stream is read as an answer with status 200 and the event's data as its body.

    Args:
        status: of the answer.
        headers: of the answer.
        body: of the answer, or the beginning of it.
        model: that was asked.
        now: seconds since 1970; the wall clock when None.
    """
    read = read_error_body(body)
    metadata = as_object(read.error.get("metadata"))
    if raw := as_text(metadata.get("raw")):  # OpenRouter: what the provider behind it said
        read = msgspec.structs.replace(read, said=one_line(f"{read.said}: {raw}"))
    names = _names(read, metadata)
    if status < 400:
        if not read.tells:
            return Unavailable(f"the server of {model} sent something that is no event stream", code="malformed_body")
        status = _status_of(read, names)
    wait = _wait(status, headers, read, metadata, now_or(now))
    message = f"OpenAI API ({model}): {read.said or f'HTTP {status}'}"
    refusal = _Refusal(status, names, message, model, wait, read)
    return next((found for rule in _RULES if (found := rule(refusal)) is not None), None) or _by_status(refusal)


def _names(read: ErrorBody, metadata: Mapping[str, object]) -> frozenset[str]:
    found = (read.error.get("type"), read.error.get("code"), metadata.get("error_type"))
    names = {as_text(name).lower() for name in found} - {"", "error"}
    if "flagged_input" in metadata or "reasons" in metadata:  # OpenRouter's moderation
        names.add("content_filter")
    return frozenset(names)


def _status_of(read: ErrorBody, names: frozenset[str]) -> int:
    number = as_count(read.error.get("code"))
    if 400 <= number < 600:
        return number
    return next((_STATUS_OF[name] for name in sorted(names) if name in _STATUS_OF), 500)


def _wait(
    status: int, headers: Mapping[str, str], read: ErrorBody, metadata: Mapping[str, object], now: float
) -> float | None:
    reset = as_text(as_object(metadata.get("headers")).get("X-RateLimit-Reset"))
    asked = (header_wait(headers, now=now), said_wait(read.said), until(reset, now=now))
    known = [seconds for seconds in asked if seconds is not None]
    if known or status != 429:
        return max(known, default=None)
    return reset_wait(headers, LIMITS, now=now)


def _paid(refusal: _Refusal) -> Failure | None:
    """Credit that is used up, or 402; OpenRouter names a wait with the one 402 that passes."""
    if not refusal.names & _PAID:
        if refusal.status != 402:
            return None
        if refusal.wait is not None and refusal.wait < HOURS:
            return RateLimited(refusal.message, retry_after=refusal.wait)
    hint = "add credit or raise the limit of the account, or use another model"
    return QuotaExhausted(refusal.message, hint=hint, retry_after=refusal.wait)


def _overflow(refusal: _Refusal) -> Failure | None:
    told = refusal.names & _OVERFLOWS or _TOO_LARGE.search(refusal.said) or refusal.status == 413
    meant = _OVERFLOW.search(refusal.said) and not _ANSWER_TOO_LONG.search(refusal.said)
    if told or (meant and refusal.status not in {401, 403, 404, 429}):
        return InvalidConfig(refusal.message, hint="shorten the conversation", code="context_overflow")
    return None


def _answered(refusal: _Refusal) -> Failure | None:
    """What the model or a policy is the reason of, and no failure of the server."""
    if refusal.names & _POLICIES:
        return InvalidConfig(refusal.message, hint="the provider's policy refuses this request", code="blocked")
    if refusal.names & _UNREADABLE:
        return MalformedOutput(refusal.message, hint="call tools with arguments that fit their parameters")
    return None


def _named(refusal: _Refusal) -> Failure | None:
    if refusal.names & _KEYS:
        return MissingCredential(refusal.message, hint="check OPENAI_API_KEY")
    if refusal.names & _MODELS or (refusal.status == 404 and not refusal.body.page):
        hint = f"check the base URL; {names_hint('openai', refusal.model)}"
        return InvalidConfig(refusal.message, hint=hint)
    return None


def _schema(refusal: _Refusal) -> Failure | None:
    """A schema that is not taken: the message names the keyword, the hint the place as a JSON pointer."""
    if (found := _SCHEMA.search(refusal.said)) is None:
        return None
    keys = [key.strip(" '") for key in (found["place"] or "").split(",")]
    place = "".join(f"/{key}" for key in keys if key)
    hint = f"change the schema of {found['what']}{f' at {place}' if place else ''}"
    return InvalidConfig(refusal.message, hint=hint)


def _limited(refusal: _Refusal) -> Failure | None:
    if refusal.status != 429:
        return None
    if _LONG_TERM.search(refusal.said) or (refusal.wait or 0.0) >= HOURS:
        hint = "use another model or key, or wait for the quota to be renewed"
        return QuotaExhausted(refusal.message, hint=hint, retry_after=refusal.wait)
    return RateLimited(refusal.message, retry_after=refusal.wait)


_RULES: tuple[Callable[[_Refusal], Failure | None], ...] = (_paid, _overflow, _answered, _schema, _named, _limited)


def _by_status(refusal: _Refusal) -> Failure:
    failure = status_failure(refusal.status, refusal.message, wait=refusal.wait)
    param = as_text(refusal.body.error.get("param"))
    if type(failure) is InvalidConfig and param.isprintable() and param:
        failure.hint = f"the server names {param[:200]} in the request"
    if refusal.body.page and isinstance(failure, ConfigError):
        failure.hint = "a web page answered instead of the API: check OPENAI_BASE_URL and proxies"
    return failure
