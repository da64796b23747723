"""What the errors of the Anthropic API mean. https://platform.claude.com/docs/en/api/errors and .../rate-limits."""

import re
from collections.abc import Mapping

from emonk.errors import (
    ConfigError,
    InfraError,
    InvalidConfig,
    MissingCredential,
    QuotaExhausted,
    RateLimited,
    Unavailable,
)
from emonk.models.error_body import ErrorBody, read_error_body
from emonk.models.fields import as_object, as_text
from emonk.models.http import status_failure
from emonk.models.names import names_hint
from emonk.models.waits import HOURS, header_wait, now_or, reset_wait, until

LIMITS = tuple(
    (f"anthropic-ratelimit-{limit}-remaining", f"anthropic-ratelimit-{limit}-reset")
    for limit in ("requests", "tokens", "input-tokens", "output-tokens")
)
"""The headers of a limit: what is left, and when it is whole again (RFC 3339)."""

_STATUS_OF: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}

_NO_CREDIT = re.compile(r"(?i)credit balance is too low")
_SPENT = re.compile(r"(?i)you have reached your (?:specified )?(?:workspace )?API usage limits")
_REGAIN = re.compile(r"regain access on (\d{4}-\d\d-\d\d) at (\d\d:\d\d) UTC")
_OVERFLOW = re.compile(r"(?i)(?:prompt|input) is too long|exceeds? (?:the )?context (?:limit|window)")


def read_failure(
    status: int, headers: Mapping[str, str], body: bytes, *, model: str, now: float | None = None
) -> InfraError | ConfigError:
    """The error that an HTTP answer stands for, also when a stream was asked for and something else came.

    An `error` event of a stream is read as an answer with status 200 and the event's data as its body.

    Args:
        status: of the answer.
        headers: of the answer.
        body: of the answer, or the beginning of it.
        model: that was asked.
        now: seconds since 1970; the wall clock when None.
    """
    read = read_error_body(body)
    kind = as_text(read.error.get("type"))
    if status < 400:
        if not read.tells:
            return Unavailable(f"Anthropic ({model}) sent something that is no event stream", code="malformed_body")
        status = _STATUS_OF.get(kind, 500)
    message = f"Anthropic ({model}): {read.said or f'HTTP {status}'}"
    wait = _wait(status, headers, read, now_or(now))
    if (used_up := _used_up(status, kind, read, message, wait)) is not None:
        return used_up
    match status:
        case 413:
            return InvalidConfig(message, hint="shorten the conversation", code="context_overflow")
        case 400 if _OVERFLOW.search(read.said):
            return InvalidConfig(message, hint="shorten the conversation", code="context_overflow")
        case 401 | 403 | 404 if read.page:
            return _page(status, message)
        case 401:
            return MissingCredential(message, hint="check ANTHROPIC_API_KEY")
        case 404:
            return InvalidConfig(message, hint=names_hint("anthropic", model))
        case 429:
            return RateLimited(message, retry_after=wait)
        case _:
            return status_failure(status, message, wait=wait)


def _wait(status: int, headers: Mapping[str, str], read: ErrorBody, now: float) -> float | None:
    if (regain := _REGAIN.search(read.said)) is not None:
        return until(f"{regain[1]}T{regain[2]}:00Z", now=now)
    asked = header_wait(headers, now=now)
    return reset_wait(headers, LIMITS, now=now) if asked is None and status == 429 else asked


def _used_up(status: int, kind: str, read: ErrorBody, message: str, wait: float | None) -> QuotaExhausted | None:
    """Credit or a limit on spending that is used up, whatever the status: the key is good, and waiting is no help."""
    limit = as_text(as_object(read.error.get("details")).get("error_code"))
    if status == 402 or kind == "billing_error" or _NO_CREDIT.search(read.said):
        hint = "add credit to the account, or use another model"
    elif limit == "enforced_spend_limit_reached" or _SPENT.search(read.said):
        hint = "raise the limit on spending, or use another model"
    elif status == 429 and (wait or 0.0) >= HOURS:
        hint = "use another model or key, or wait for the quota to be renewed"
    else:
        return None
    return QuotaExhausted(message, hint=hint, retry_after=wait)


def _page(status: int, message: str) -> ConfigError:
    hint = "a web page answered instead of the API: check ANTHROPIC_BASE_URL and proxies"
    return InvalidConfig(message, hint=hint) if status == 404 else MissingCredential(message, hint=hint)
