"""What the errors of the OpenAI API mean, and of the servers that speak it."""

import json
from pathlib import Path
from typing import Any

import pytest

from emonk.errors import (
    ConfigError,
    DeadlineExceeded,
    EmonkError,
    InfraError,
    InvalidConfig,
    MalformedOutput,
    MissingCredential,
    QuotaExhausted,
    RateLimited,
    Unavailable,
)
from emonk.models.http import LONGEST_WAIT
from emonk.models.openai.errors import read_failure

MODEL = "gpt-4o"
NOW = 1_750_000_000.0
HTML = b"<!DOCTYPE html>\n<html><head><title>502 Bad\nGateway</title></head><body>cloudflare</body></html>"


def failing(status: int, body: Any, **headers: str) -> EmonkError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_failure(status, named, raw, model=MODEL, now=NOW)


def error(message: str = "no", *, type: str | None = None, code: str | int | None = None, **more: Any) -> Any:  # noqa: A002
    return {"error": {"message": message, "type": type, "param": None, "code": code, **more}}


def wait_of(failure: EmonkError) -> float | None:
    assert isinstance(failure, InfraError)
    return failure.retry_after


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, InvalidConfig, "invalid_config"),
        (401, MissingCredential, "missing_credential"),
        (402, QuotaExhausted, "quota_exhausted"),
        (403, MissingCredential, "missing_credential"),
        (404, InvalidConfig, "invalid_config"),
        (405, InvalidConfig, "invalid_config"),
        (408, DeadlineExceeded, "deadline_exceeded"),
        (409, InvalidConfig, "invalid_config"),
        (413, InvalidConfig, "context_overflow"),
        (422, InvalidConfig, "invalid_config"),
        (429, RateLimited, "rate_limited"),
        (499, Unavailable, "unavailable"),
        (500, Unavailable, "unavailable"),
        (502, Unavailable, "unavailable"),
        (503, Unavailable, "unavailable"),
        (504, DeadlineExceeded, "deadline_exceeded"),
        (520, Unavailable, "unavailable"),
        (529, Unavailable, "unavailable"),
    ],
)
@pytest.mark.parametrize(
    "body", [b"", HTML, b"[]", b"null", b"\x1f\x8b\x00", b'"no"', b"no such route", b'{"error": null}',
             b'{"error": "no"}', b'{"error": {"code": "x"}}', b'{"error": {"message": 1, "type": [], "code": {}}}',
             b'{"detail": [1]}'],
)  # fmt: skip
def test_a_status_has_its_class_whatever_the_body(status: int, kind: type[EmonkError], code: str, body: bytes) -> None:
    failure = failing(status, body)
    assert (type(failure), failure.code) == (kind, code)
    assert failure.message.startswith("OpenAI API (gpt-4o): ")
    assert "\n" not in failure.message


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (429, error("You exceeded your current quota", type="insufficient_quota", code="insufficient_quota"),
         QuotaExhausted, "quota_exhausted"),
        (400, error("Billing hard limit has been reached", type="invalid_request_error",
                    code="billing_hard_limit_reached"), QuotaExhausted, "quota_exhausted"),
        (429, error("Rate limit reached for gpt-4o on tokens per day (TPD): Limit 100000, Used 97050. Please try again"
                    " in 9m38.016s.", type="tokens", code="rate_limit_exceeded"), QuotaExhausted, "quota_exhausted"),
        (429, error("Rate limit reached for gpt-4o on requests per min (RPM): Limit 3. Please try again in 20s.",
                    type="requests", code="rate_limit_exceeded"), RateLimited, "rate_limited"),
        (429, error("Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 342389. The input or"
                    " output tokens must be reduced in order to run successfully.", type="tokens",
                    code="rate_limit_exceeded"), InvalidConfig, "context_overflow"),
        (400, error("This model's maximum context length is 128000 tokens. However, your messages resulted in 204308"
                    " tokens.", type="invalid_request_error", code="context_length_exceeded"),
         InvalidConfig, "context_overflow"),
        (401, error("Incorrect API key provided: sk-x.", type="invalid_request_error", code="invalid_api_key"),
         MissingCredential, "missing_credential"),
        (404, error("The model `gpt-9` does not exist or you do not have access to it.", type="invalid_request_error",
                    code="model_not_found"), InvalidConfig, "invalid_config"),
        (403, error("Project `proj_x` does not have access to model `gpt-4o`", type="invalid_request_error",
                    code="model_not_found"), InvalidConfig, "invalid_config"),
        (400, error("max_tokens is too large: 200000. This model's maximum context length is 131072 tokens.",
                    code=400, type="BadRequestError"), InvalidConfig, "invalid_config"),
        (400, error("The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
                    code="content_filter", innererror={"code": "ResponsibleAIPolicyViolation"}),
         InvalidConfig, "blocked"),
        (400, error("Tool call validation failed", type="invalid_request_error", code="tool_use_failed"),
         MalformedOutput, "malformed_output"),
        (503, error("The engine is currently overloaded, please try again later", type="server_error"),
         Unavailable, "unavailable"),
    ],
)  # fmt: skip
def test_openai_and_its_like(status: int, body: Any, kind: type[EmonkError], code: str) -> None:
    failure = failing(status, body)
    assert (type(failure), failure.code) == (kind, code)
    assert body["error"]["message"] in failure.message


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "said"),
    [
        (404, {"error": "model 'llama3' not found"}, InvalidConfig, "invalid_config", "model 'llama3' not found"),
        (404, error('model "x" not found, try pulling it first', type="api_error"), InvalidConfig, "invalid_config",
         "try pulling it"),
        (503, error("server busy, please try again. maximum pending requests exceeded", type="api_error"), Unavailable,
         "unavailable", "server busy"),
        (400, {"object": "error", "message": "This model's maximum context length is 32768 tokens. However, you"
               " requested 41648 tokens.", "type": "BadRequestError", "param": None, "code": 400},
         InvalidConfig, "context_overflow", "maximum context length"),
        (404, {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404},
         InvalidConfig, "invalid_config", "does not exist"),
        (400, error("the request exceeds the available context size. try increasing it", code=400,
                    type="exceed_context_size_error", n_ctx=8192), InvalidConfig, "context_overflow", "available"),
        (500, error("the request exceeds the available context size", code=500, type="exceed_context_size_error"),
         InvalidConfig, "context_overflow", "available"),
        (503, error("Loading model", code=503, type="unavailable_error"), Unavailable, "unavailable", "Loading model"),
        (400, {"error": "Trying to keep the first 111490 tokens when context the overflows. However, the model is"
               " loaded with context length of only 32768 tokens, which is not enough."},
         InvalidConfig, "context_overflow", "Trying to keep"),
        (500, {"error": "Context size has been exceeded."}, InvalidConfig, "context_overflow", "Context size"),
        (413, error("Request too large for model `llama-3.1-8b-instant` on tokens per minute (TPM): Limit 6000,"
                    " Requested 12328, please reduce your message size and try again.", type="tokens",
                    code="rate_limit_exceeded"),
         InvalidConfig, "context_overflow", "Request too large"),
        (400, {"code": "Client specified an invalid argument", "error": "This model's maximum prompt length is 131072"
               " but the request contains 537812 tokens."}, InvalidConfig, "context_overflow", "maximum prompt length"),
        (402, error("Insufficient Balance", type="unknown_error", code="invalid_request_error"), QuotaExhausted,
         "quota_exhausted", "Insufficient Balance"),
        (422, {"detail": [{"loc": ["body", "model"], "msg": "Field required"}]}, InvalidConfig, "invalid_config",
         "Field required"),
        (422, {"object": "error", "message": {"detail": [{"msg": "Extra inputs"}]}, "type": "x"}, InvalidConfig,
         "invalid_config", "Extra inputs"),
        (401, {"message": "Unauthorized", "request_id": "1"}, MissingCredential, "missing_credential", "Unauthorized"),
        (401, error("Invalid API Key", code=401, type="authentication_error"), MissingCredential, "missing_credential",
         "Invalid API Key"),
        (404, error("The API deployment for this resource does not exist.", code="DeploymentNotFound"), InvalidConfig,
         "invalid_config", "deployment"),
    ],
)  # fmt: skip
def test_compatible_servers(status: int, body: Any, kind: type[EmonkError], code: str, said: str) -> None:
    failure = failing(status, body)
    assert (type(failure), failure.code) == (kind, code)
    assert said in failure.message


def open_router(message: str, code: int, **metadata: Any) -> Any:
    return {"error": {"message": message, "code": code, "metadata": metadata}, "user_id": "u"}


@pytest.mark.parametrize("status", [0, 200])
def test_open_router_tells_the_provider_s_reason_also_with_status_200(status: int) -> None:
    raw = "z-ai/glm is temporarily rate-limited upstream. Please retry shortly"
    failure = failing(status or 429, open_router("Provider returned error", 429, raw=raw, provider_name="BaseTen"))
    assert type(failure) is RateLimited
    assert raw in failure.message


@pytest.mark.parametrize(
    ("body", "headers", "kind", "seconds"),
    [
        (open_router("Rate limit exceeded: free-models-per-day. Add 10 credits", 429,
                     headers={"X-RateLimit-Reset": "1750007200000"}), {}, QuotaExhausted, 7200.0),
        (open_router("Rate limit exceeded: free-models-per-min.", 429, headers={"X-RateLimit-Reset": "1750000030000"}),
         {}, RateLimited, 30.0),
        (open_router("Insufficient credits", 402), {}, QuotaExhausted, None),
        (open_router("In-flight budget", 402, limit_source="openrouter_in_flight_budget"), {"Retry-After": "5"},
         RateLimited, 5.0),
    ],
)  # fmt: skip
def test_open_router_s_limits(
    body: Any, headers: dict[str, str], kind: type[EmonkError], seconds: float | None
) -> None:
    failure = failing(body["error"]["code"], body, **headers)
    assert type(failure) is kind
    assert wait_of(failure) == seconds


def test_open_router_s_moderation_is_no_refused_key() -> None:
    body = open_router("Input was flagged", 403, reasons=["violence"], flagged_input="...")
    assert failing(403, body).code == "blocked"


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"Retry-After": "7"}, "", 7.0),
        ({"retry-after-ms": "494", "Retry-After": "1"}, "", 0.494),
        ({"retry-after-ms": "soon", "Retry-After": "1"}, "", 1.0),
        ({"Retry-After": "Sun, 15 Jun 2025 15:07:20 GMT"}, "", 40.0),
        ({"Retry-After": "1"}, "Please try again in 1.5s.", 1.5),
        ({}, "Please try again in 6m0s.", 360.0),
        ({}, "Please try again in 494ms. Visit", 0.494),
        ({}, "Please retry after 60 seconds.", 60.0),
        ({}, "Please try again in a while", None),
        ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0s"}, "", 360.0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "200ms",
          "x-ratelimit-remaining-tokens": "149984", "x-ratelimit-reset-tokens": "6m0s"}, "", 0.2),
        ({"x-ratelimit-reset-requests": "8h0m0s", "x-ratelimit-reset-tokens": "2s"}, "", 2.0),
        ({"x-ratelimit-reset": "1750000005"}, "", 5.0),
        ({"x-ratelimit-reset-tokens": "1m0.052s", "Retry-After": "1"}, "", 1.0),
        ({"x-ratelimit-reset-tokens": "later", "x-ratelimit-reset-requests": ""}, "", None),
        ({"Retry-After": "-5"}, "", None),
    ],
)  # fmt: skip
def test_a_short_limit_says_how_long_to_wait(headers: dict[str, str], message: str, seconds: float | None) -> None:
    failure = read_failure(429, headers, json.dumps(error(message)).encode(), model=MODEL, now=NOW)
    assert isinstance(failure, RateLimited)
    assert failure.retry_after == (seconds if seconds is None else pytest.approx(seconds))


def test_a_wait_without_end_is_a_quota_that_is_used_up() -> None:
    failure = read_failure(429, {"Retry-After": "9" * 400}, json.dumps(error("")).encode(), model=MODEL, now=NOW)
    assert isinstance(failure, QuotaExhausted)
    assert failure.retry_after == LONGEST_WAIT


@pytest.mark.parametrize(
    "headers",
    [{"Retry-After": "31536000"}, {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "8h0m0s"}],
)
def test_a_limit_of_hours_is_a_quota(headers: dict[str, str]) -> None:
    assert isinstance(read_failure(429, headers, b"", model=MODEL), QuotaExhausted)


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (error("The server had an error", type="server_error"), Unavailable, "unavailable"),
        (error("Slow down", code="rate_limit_exceeded"), RateLimited, "rate_limited"),
        ({"type": "error", "code": "rate_limit_exceeded", "message": "slow"}, RateLimited, "rate_limited"),
        ({"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded", "message": "slow"}}},
         RateLimited, "rate_limited"),
        (error("Provider disconnected", code=502), Unavailable, "unavailable"),
        (error("bad", type="invalid_request_error"), InvalidConfig, "invalid_config"),
        ({"error": "llama runner process has terminated"}, Unavailable, "unavailable"),
        ({"choices": []}, Unavailable, "malformed_body"),
        (HTML, Unavailable, "malformed_body"),
        (b"", Unavailable, "malformed_body"),
    ],
)  # fmt: skip
def test_errors_inside_a_stream_or_instead_of_one(body: Any, kind: type[EmonkError], code: str) -> None:
    failure = failing(200, body)
    assert (type(failure), failure.code) == (kind, code)


def test_a_page_says_that_it_is_the_address() -> None:
    assert failing(502, HTML).message == "OpenAI API (gpt-4o): 502 Bad Gateway"
    for status in (401, 403, 404):
        assert "OPENAI_BASE_URL" in failing(status, HTML).hint


def test_a_long_or_ugly_message_becomes_one_line() -> None:
    failure = failing(400, error("a\n\x1b[31m\u200bb " + "x" * 10_000))
    assert failure.message.startswith("OpenAI API (gpt-4o): a [31m b x")
    assert len(failure.message) < 2100


@pytest.mark.parametrize("name", ["openai_chat", "openai_responses"])
def test_recorded_errors(shared_data: Path, name: str) -> None:
    rows = [json.loads(line) for line in (shared_data / f"{name}.jsonl").read_text().splitlines()]
    refused = [row for row in rows if row["status"] >= 400]
    assert refused
    for row in refused:
        failure = failing(row["status"], row["response"])
        said = row["response"]["error"]
        assert isinstance(failure, MalformedOutput if said["code"] == "tool_use_failed" else ConfigError)
        assert said["message"] in failure.message
