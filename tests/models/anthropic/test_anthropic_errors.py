"""What the errors of the Anthropic API mean."""

import json
from pathlib import Path
from typing import Any

import pytest

from emonk.errors import (
    DeadlineExceeded,
    EmonkError,
    InfraError,
    InvalidConfig,
    MissingCredential,
    QuotaExhausted,
    RateLimited,
    Unavailable,
)
from emonk.models.anthropic.errors import read_failure

MODEL = "claude-x"
NOW = 1_750_000_000.0  # 2025-06-15T15:06:40Z


def error(kind: str, message: str = "no", **more: Any) -> Any:
    return {"type": "error", "error": {"type": kind, "message": message, **more}, "request_id": "req_1"}


def failing(status: int, body: Any, headers: dict[str, str] | None = None) -> EmonkError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_failure(status, headers or {}, raw, model=MODEL, now=NOW)


@pytest.mark.parametrize(
    ("status", "name", "kind", "code"),
    [
        (400, "invalid_request_error", InvalidConfig, "invalid_config"),
        (401, "authentication_error", MissingCredential, "missing_credential"),
        (402, "billing_error", QuotaExhausted, "quota_exhausted"),
        (403, "permission_error", MissingCredential, "missing_credential"),
        (404, "not_found_error", InvalidConfig, "invalid_config"),
        (413, "request_too_large", InvalidConfig, "context_overflow"),
        (429, "rate_limit_error", RateLimited, "rate_limited"),
        (500, "api_error", Unavailable, "unavailable"),
        (504, "timeout_error", DeadlineExceeded, "deadline_exceeded"),
        (529, "overloaded_error", Unavailable, "unavailable"),
    ],
)
def test_an_error_means_the_same_by_status_by_page_and_inside_a_stream(
    status: int, name: str, kind: type[EmonkError], code: str
) -> None:
    bodies = (b"", b"<html><title>no</title>", b"null", b'{"error": {"type": []}}', error(name))
    failures = [failing(status, body) for body in bodies] + [failing(200, error(name))]
    assert {(type(failure), failure.code) for failure in failures} == {(kind, code)}
    assert failures[-1].message == "Anthropic (claude-x): no"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "prompt is too long: 213462 tokens > 200000 maximum"),
        (413, "Prompt is too long"),
        (400, "input length and `max_tokens` exceed context limit: 199000 + 8000 > 200000, decrease input length"),
        (413, "Request exceeds the maximum size"),
    ],
)
def test_a_too_long_conversation_has_its_own_code(status: int, message: str) -> None:
    failure = failing(status, error("invalid_request_error", message))
    assert (type(failure), failure.code) == (InvalidConfig, "context_overflow")
    assert "shorten" in failure.hint


def test_a_limit_on_the_answer_is_a_setting() -> None:
    message = "max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens for claude-x"
    assert failing(400, error("invalid_request_error", message)).code == "invalid_config"


@pytest.mark.parametrize(
    ("status", "body", "hint", "seconds"),
    [
        (400, error("invalid_request_error", "Your credit balance is too low to access the Anthropic API. Please go to"
                    " Plans & Billing to upgrade or purchase credits."), "add credit", None),
        (402, error("billing_error"), "add credit", None),
        (400, error("invalid_request_error", "You have reached your specified API usage limits. You will regain access"
                    " on 2025-07-01 at 00:00 UTC."), "raise the limit", 1_328_000.0),
        (400, error("invalid_request_error", "You have reached your specified workspace API usage limits."),
         "raise the limit", None),
        (429, error("rate_limit_error", "You have reached your API usage limits: your organization has crossed its"
                    " monthly API usage threshold.", details={"error_code": "enforced_spend_limit_reached"}),
         "raise the limit", None),
    ],
)  # fmt: skip
def test_credit_that_is_used_up_is_a_quota_though_the_key_is_good(
    status: int, body: Any, hint: str, seconds: float | None
) -> None:
    failure = failing(status, body)
    assert isinstance(failure, QuotaExhausted)
    assert (hint in failure.hint, failure.retry_after) == (True, seconds)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "42"}, 42.0),
        ({"Retry-After": "3", "anthropic-ratelimit-tokens-reset": "2025-06-15T15:07:40Z"}, 3.0),
        ({"anthropic-ratelimit-tokens-reset": "2025-06-15T15:07:40Z"}, 60.0),
        ({"anthropic-ratelimit-requests-remaining": "0",
          "anthropic-ratelimit-requests-reset": "2025-06-15T15:06:45+00:00",
          "anthropic-ratelimit-input-tokens-remaining": "9000",
          "anthropic-ratelimit-input-tokens-reset": "2025-06-15T15:07:40Z"}, 5.0),
        ({"anthropic-ratelimit-requests-reset": "2025-06-15T15:00:00Z"}, 0.0),
        ({"anthropic-ratelimit-requests-reset": "soon"}, None),
        ({"anthropic-ratelimit-requests-reset": "2025-06-15T15:07:40"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_a_short_limit_says_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    failure = failing(429, error("rate_limit_error"), headers)
    assert isinstance(failure, RateLimited)
    assert failure.retry_after == seconds


def test_a_limit_of_hours_is_a_quota() -> None:
    assert isinstance(failing(429, error("rate_limit_error"), {"Retry-After": "86400"}), QuotaExhausted)


@pytest.mark.parametrize("status", [500, 503, 504, 529])
def test_a_wait_is_kept_on_what_can_be_retried(status: int) -> None:
    failure = failing(status, error("api_error"), {"Retry-After": "4"})
    assert isinstance(failure, InfraError)
    assert failure.retry_after == 4.0


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"type": "message", "content": []}'])
def test_what_is_no_stream_and_no_error(body: bytes) -> None:
    failure = failing(200, body)
    assert (type(failure), failure.code) == (Unavailable, "malformed_body")


def test_an_unknown_error_inside_a_stream_may_pass() -> None:
    assert type(failing(200, error("brand_new_error"))) is Unavailable


def test_hints_name_what_to_do() -> None:
    assert "ANTHROPIC_API_KEY" in failing(401, error("authentication_error")).hint
    assert "claude-x" in failing(404, error("not_found_error")).hint
    assert "ANTHROPIC_BASE_URL" in failing(404, b"<html><title>Not found</title>").hint


def test_recorded_errors(shared_data: Path) -> None:
    rows = [json.loads(line) for line in (shared_data / "anthropic.jsonl").read_text().splitlines()]
    refused = [row for row in rows if row["status"] >= 400]
    assert refused
    for row in refused:
        failure = failing(row["status"], row["response"])
        assert isinstance(failure, InvalidConfig)
        assert row["response"]["error"]["message"] in failure.message
