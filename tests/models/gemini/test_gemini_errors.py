"""What Gemini's errors mean: the table that retries and fail-over stand on."""

import json
from typing import Any

import pytest

from emonk.errors import (
    ConfigError,
    DeadlineExceeded,
    InfraError,
    InvalidConfig,
    MissingCredential,
    QuotaExhausted,
    RateLimited,
    Unavailable,
)
from emonk.models.gemini.errors import read_failure

MODEL = "gemini-2.0-flash"
QUOTA = "type.googleapis.com/google.rpc.QuotaFailure"
RETRY = "type.googleapis.com/google.rpc.RetryInfo"


def failing(
    status: int, message: str = "no", *details: dict[str, Any], headers: dict[str, str] | None = None
) -> InfraError | ConfigError:
    body = {"error": {"code": status, "message": message, "status": "X", "details": details}}
    return read_failure(status, headers or {}, json.dumps(body).encode(), model=MODEL)


def quota(quota_id: str, **more: str) -> dict[str, Any]:
    return {"@type": QUOTA, "violations": [{"quotaMetric": "requests", "quotaId": quota_id, **more}]}


def retry(delay: str) -> dict[str, Any]:
    return {"@type": RETRY, "retryDelay": delay}


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, InvalidConfig, "invalid_config"),
        (401, MissingCredential, "missing_credential"),
        (403, MissingCredential, "missing_credential"),
        (404, InvalidConfig, "invalid_config"),
        (408, DeadlineExceeded, "deadline_exceeded"),
        (409, InvalidConfig, "invalid_config"),
        (429, RateLimited, "rate_limited"),
        (499, Unavailable, "unavailable"),
        (500, Unavailable, "unavailable"),
        (502, Unavailable, "unavailable"),
        (503, Unavailable, "unavailable"),
        (504, DeadlineExceeded, "deadline_exceeded"),
        (529, Unavailable, "unavailable"),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"error": null}', b'{"error": {"code": "x"}}'])
def test_a_status_has_its_class_whatever_the_body(
    status: int, kind: type[InfraError | ConfigError], code: str, body: bytes
) -> None:
    error = read_failure(status, {}, body, model=MODEL)
    assert (type(error), error.code) == (kind, code)
    assert MODEL in error.message


def test_the_message_is_google_s_and_names_the_model() -> None:
    assert str(failing(503, "The model is overloaded.")) == "Gemini (gemini-2.0-flash): The model is overloaded."
    assert "check that 'gemini-2.0-flash'" in failing(404, "models/x is not found").hint


def test_a_message_of_several_lines_becomes_one() -> None:
    assert failing(503, " Overloaded.\n* Try\tagain. ").message == "Gemini (gemini-2.0-flash): Overloaded. * Try again."


def test_errors_wrapped_in_a_list_are_read() -> None:
    body = b'[{"error": {"code": 429, "message": "slow", "details": [{"retryDelay": "2s"}]}}]'
    error = read_failure(429, {}, body, model=MODEL)
    assert isinstance(error, RateLimited)
    assert (error.retry_after, "slow" in error.message) == (2.0, True)


@pytest.mark.parametrize(
    ("details", "headers", "message", "seconds"),
    [
        ([retry("3s")], {}, "", 3.0),
        ([retry("3.5s")], {}, "", 3.5),
        ([], {"Retry-After": "7"}, "", 7.0),
        ([retry("3s")], {"Retry-After": "7"}, "", 7.0),
        ([retry("9s")], {"Retry-After": "7"}, "", 9.0),
        ([], {}, "Please retry in 20.5s.", 20.5),
        ([retry("soon")], {}, "", None),
        ([retry("0s")], {}, "", 0.0),
        ([], {}, "Resource exhausted. Please try again later.", None),
        ([quota("GenerateRequestsPerMinutePerProjectPerModel"), retry("3s")], {}, "", 3.0),
        ([quota("GenerateRequestsPerMinutePerProjectPerModel", quotaValue="10")], {}, "limit: 0.5, limit: 05", None),
    ],
)
def test_a_short_limit_says_how_long_to_wait(
    details: list[dict[str, Any]], headers: dict[str, str], message: str, seconds: float | None
) -> None:
    error = failing(429, message, *details, headers=headers)
    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("message", "details"),
    [
        ("", [quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), retry("38s")]),
        ("", [quota("GenerateRequestsPerMinute"), quota("GenerateRequestsPerDay")]),
        ("", [{"violations": [{"quotaMetric": "generate_requests_per_model_per_day"}]}]),
        ("", [{"reason": "RATE_LIMIT_EXCEEDED", "metadata": {"quota_limit": "GenerateContentRequestsPerDay"}}]),
        ("", [quota("GenerateRequestsPerMinute", quotaValue="0")]),
        ("* Quota exceeded for metric: free_tier_requests, limit: 0, model: gemini-2.5-pro\nPlease retry in 20s.", []),
        ("Daily limit reached", []),
        ("", [retry("7200s")]),
    ],
)
def test_a_quota_of_the_day_is_not_waited_for(message: str, details: list[dict[str, Any]]) -> None:
    assert isinstance(failing(429, message, *details), QuotaExhausted)


@pytest.mark.parametrize(
    ("message", "details"),
    [
        ("API key not valid. Please pass a valid API key.", []),
        ("API key expired. Please renew the API key.", []),
        ("Bad", [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]),
    ],
)
def test_a_refused_key_is_a_missing_credential_though_it_comes_as_400(
    message: str, details: list[dict[str, Any]]
) -> None:
    error = failing(400, message, *details)
    assert isinstance(error, MissingCredential)
    assert "GEMINI_API_KEY" in error.hint


@pytest.mark.parametrize(
    "message",
    [
        "The input token count (1048580) exceeds the maximum number of tokens allowed (1048576).",
        "The input token count exceeds the maximum number of tokens allowed 1048576.",
        "Unable to submit request because the input token count is 2500030 but model only supports up to 1048576.",
    ],
)
def test_a_too_long_conversation_has_its_own_code(message: str) -> None:
    error = failing(400, message)
    assert (type(error), error.code) == (InvalidConfig, "context_overflow")


def test_a_wait_of_the_server_is_kept_on_every_class_that_can_be_retried() -> None:
    for status in (500, 503, 504):
        error = failing(status, "wait", headers={"Retry-After": "4"})
        assert isinstance(error, InfraError)
        assert error.retry_after == 4.0
