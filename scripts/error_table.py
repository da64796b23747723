"""The tables in docs/errors.md, from the code that classifies: this writes them, `--check` compares them."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from aiohttp.client_reqrep import ConnectionKey
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from emonk.errors import (
    AgentError,
    CircuitOpen,
    ConfigError,
    DeadlineExceeded,
    EmonkError,
    InvalidArguments,
    OutcomeUnknown,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    Unavailable,
    UnknownTool,
)
from emonk.models.anthropic import errors as anthropic_errors
from emonk.models.gemini import errors as gemini_errors
from emonk.models.http import connection_failure
from emonk.models.openai import errors as openai_errors
from emonk.resilience.classify import Verdict, hint_of, retryable, tool_failure, verdict

PAGE = Path(__file__).resolve().parent.parent / "docs" / "errors.md"
BEGIN, END = "<!-- tables: written by scripts/error_table.py -->", "<!-- tables: end -->"
BREAKER = {Verdict.FAILURE: "failure", Verdict.COOL_DOWN: "cool-down", Verdict.IGNORED: "", Verdict.SUCCESS: ""}

Json = dict[str, Any]
Reader = Callable[..., EmonkError]


class Answer(NamedTuple):
    """HTTP answers that mean the same: their statuses, what the table says of the rest, and the rest."""

    statuses: Sequence[int]
    what: str
    body: Json | str = ""
    headers: Mapping[str, str] = {}

    def row(self, reader: Reader) -> tuple[str, ...]:
        """The row of the table.

        Raises:
            ValueError: the statuses do not mean the same.
        """
        raw = (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()
        label = f"{', '.join(map(str, self.statuses))} {self.what}".strip()
        rows = {error_row(label, reader(status, self.headers, raw, model="MODEL")) for status in self.statuses}
        if len(rows) > 1:
            raise ValueError(f"{label} is not one row: {rows}")
        return rows.pop()


def gemini(status: int, message: str, *details: Json) -> Json:
    """A `google.rpc.Status`."""
    return {"error": {"code": status, "message": message, "details": list(details)}}


def openai(message: str, code: str | int | None = None, **more: Any) -> Json:
    """An error of the OpenAI API."""
    return {"error": {"message": message, "code": code, **more}}


def anthropic(kind: str, message: str = "", **more: Any) -> Json:
    """An error of the Anthropic API."""
    return {"type": "error", "error": {"type": kind, "message": message, **more}}


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3s"}
DAILY = {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]}
SPENT = "You have reached your specified API usage limits."
SPEND_LIMIT = {"error_code": "enforced_spend_limit_reached"}
PAGE_502 = "<html><title>502 Bad Gateway</title></html>"

GEMINI = (
    Answer([400, 422], "", gemini(400, "Invalid value")),
    Answer([400], "`API key not valid`", gemini(400, "API key not valid. Please pass a valid API key.")),
    Answer([400], "`exceeds the maximum number of tokens`", gemini(400, "exceeds the maximum number of tokens")),
    Answer([401, 403], "", gemini(403, "denied")),
    Answer([404], "", gemini(404, "models/x is not found")),
    Answer([429], "with `RetryInfo` of 3 s", gemini(429, "slow", RETRY)),
    Answer([429], "without (Vertex AI)", gemini(429, "Resource exhausted. Please try again later.")),
    Answer([429], "with a quota of the day", gemini(429, "quota", DAILY, RETRY)),
    Answer([429], "`limit: 0`", gemini(429, "Quota exceeded for metric: requests, limit: 0")),
    Answer([500, 502, 503, 529], "", gemini(503, "The model is overloaded.")),
    Answer([408, 504], "", gemini(504, "deadline")),
    Answer([200], "and no event stream", "<html>"),
)

OPENAI = (
    Answer([400, 409, 422], "", openai("no", None, type="invalid_request_error")),
    Answer([400], "`context_length_exceeded`", openai("long", "context_length_exceeded")),
    Answer([400], "`maximum context length is` (vLLM)", {"object": "error", "message": "maximum context length is 9"}),
    Answer([400, 500], "`exceed_context_size_error` (llama.cpp)", openai("", 500, type="exceed_context_size_error")),
    Answer([413, 429], "`Request too large for` a minute's limit", openai("Request too large for gpt-4o: Limit 3")),
    Answer([400], "`content_filter` (Azure)", openai("no", "content_filter")),
    Answer([403], "with `flagged_input` (OpenRouter)", openai("no", 403, metadata={"flagged_input": "..."})),
    Answer([400], "`tool_use_failed` (Groq)", openai("validation failed", "tool_use_failed")),
    Answer([401], "`invalid_api_key`", openai("wrong", "invalid_api_key")),
    Answer([401, 403], "", openai("no")),
    Answer([402], "(OpenRouter, DeepSeek)", openai("Insufficient credits", 402)),
    Answer([403, 404], "`model_not_found`", openai("no", "model_not_found")),
    Answer([404], '`{"error": "model not found"}` (Ollama)', {"error": "model 'x' not found"}),
    Answer([429], "with `retry-after-ms: 494`", openai("slow"), {"retry-after-ms": "494", "Retry-After": "1"}),
    Answer([429], "`Please try again in 6m0s`", openai("Please try again in 6m0s.")),
    Answer([429], "with only `x-ratelimit-reset-tokens: 1s`", openai("slow"), {"x-ratelimit-reset-tokens": "1s"}),
    Answer([429], "`insufficient_quota`", openai("You exceeded your current quota", "insufficient_quota")),
    Answer([429], "`tokens per day`", openai("Limit of tokens per day reached")),
    Answer([429], "with `Retry-After: 3600` or more", openai("slow"), {"Retry-After": "3600"}),
    Answer([500, 503, 529], "", openai("overloaded", None, type="server_error")),
    Answer([502, 520], "with a web page", PAGE_502),
    Answer([408, 504], ""),
    Answer([200], "and `rate_limit_exceeded`, also in a stream", openai("slow", "rate_limit_exceeded")),
    Answer([200], "and another error, also in a stream", openai("broken", None, type="server_error")),
    Answer([200], "and no event stream", "<html>"),
)

ANTHROPIC = (
    Answer([400, 409], "`invalid_request_error`", anthropic("invalid_request_error", "no")),
    Answer([400], "`prompt is too long`", anthropic("invalid_request_error", "prompt is too long: 2 > 1 maximum")),
    Answer([413], "`request_too_large`", anthropic("request_too_large")),
    Answer([400], "`credit balance is too low`", anthropic("invalid_request_error", "credit balance is too low")),
    Answer([400], "`reached your specified API usage limits`", anthropic("invalid_request_error", SPENT)),
    Answer([401], "`authentication_error`", anthropic("authentication_error")),
    Answer([402], "`billing_error`", anthropic("billing_error")),
    Answer([403], "`permission_error`", anthropic("permission_error")),
    Answer([404], "`not_found_error`", anthropic("not_found_error")),
    Answer([429], "with `Retry-After: 42`", anthropic("rate_limit_error"), {"Retry-After": "42"}),
    Answer([429], "`enforced_spend_limit_reached`", anthropic("rate_limit_error", details=SPEND_LIMIT)),
    Answer([500, 503], "`api_error`", anthropic("api_error")),
    Answer([504], "`timeout_error`", anthropic("timeout_error")),
    Answer([529], "`overloaded_error`", anthropic("overloaded_error")),
    Answer([200], "and `overloaded_error`, also in a stream", anthropic("overloaded_error")),
    Answer([200], "and no event stream", "<html>"),
)

PROVIDERS: tuple[tuple[str, Sequence[Answer], Reader], ...] = (
    ("Gemini and Vertex AI", GEMINI, gemini_errors.read_failure),
    ("OpenAI and compatible servers", OPENAI, openai_errors.read_failure),
    ("Anthropic", ANTHROPIC, anthropic_errors.read_failure),
)

_KEY = ConnectionKey("HOST", 443, is_ssl=True, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None)
_REQUEST = aiohttp.RequestInfo(URL("https://HOST/"), "POST", CIMultiDictProxy(CIMultiDict[str]()), URL("https://HOST/"))
TRANSPORT: tuple[tuple[str, Exception], ...] = (
    ("no connection within 10 s", aiohttp.ConnectionTimeoutError()),
    ("connection refused", aiohttp.ClientConnectorError(_KEY, ConnectionRefusedError(111, "Connection refused"))),
    ("name not found", aiohttp.ClientConnectorDNSError(_KEY, OSError(-2, "Name or service not known"))),
    ("certificate not trusted", aiohttp.ClientConnectorSSLError(_KEY, OSError(1, "certificate verify failed"))),
    ("no byte for the time of silence", aiohttp.SocketTimeoutError()),
    ("connection closed before an answer", aiohttp.ServerDisconnectedError()),
    ("answer broken off", aiohttp.ClientPayloadError()),
    ("no HTTP", aiohttp.ClientResponseError(_REQUEST, ())),
    ("connection reset", ConnectionResetError(104, "Connection reset by peer")),
)

TOOLS: tuple[tuple[str, BaseException], ...] = (
    ("arguments that do not fit", InvalidArguments("")),
    ("a tool that does not exist", UnknownTool("")),
    ("above low risk", PermissionDenied("")),
    ("the tool raises `AgentError`", AgentError("")),
    ("the tool raises `OutcomeUnknown`", OutcomeUnknown("")),
    ("`ConfigError`", ConfigError("")),
    ("`RateLimited`", RateLimited("")),
    ("`QuotaExhausted`", QuotaExhausted("")),
    ("`Unavailable`", Unavailable("")),
    ("`Unavailable`, the connection broke", Unavailable("", code="disconnected")),
    ("`DeadlineExceeded`", DeadlineExceeded("")),
    ("`CircuitOpen`", CircuitOpen("")),
    ("`ConnectionRefusedError`", ConnectionRefusedError()),
    ("any other `ConnectionError`, `TimeoutError`", ConnectionResetError()),
    ("any other exception", ValueError("bug")),
)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = (head, ["---"] * len(head), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def error_row(label: str, error: EmonkError) -> tuple[str, ...]:
    """What an error is, and what retry and breaker make of it."""
    wait = hint_of(error)
    again = "yes" if retryable(error) else "no"
    if wait is not None and retryable(error):
        again = f"after {wait:g} s"
    return label, f"`{type(error).__name__}`", f"`{error.code}`", again, BREAKER[verdict(error)]


def tool_row(label: str, error: BaseException) -> tuple[str, ...]:
    """What the model sees of a tool's failure."""
    code = error.code if isinstance(error, EmonkError) else "tool_failed"
    again = "yes" if retryable(error) else "no"
    return label, f"`{code}`", again, *(tool_failure(error, idempotent=idempotent) for idempotent in (True, False))


def tables() -> str:
    """Everything between the marks of the page."""
    head = ("answer", "error", "code", "retried", "breaker")
    parts = [
        f"### {name}\n\n{table(head, [answer.row(reader) for answer in answers])}"
        for name, answers, reader in PROVIDERS
    ]
    rows = [error_row(label, connection_failure(error, "HOST")) for label, error in TRANSPORT]
    parts.append(f"### No answer at all\n\n{table(('what happens', *head[1:]), rows)}")
    head = ("what goes wrong", "code", "retried if idempotent", "then, idempotent", "then, any other tool")
    parts.append(f"### Tools\n\n{table(head, [tool_row(*row) for row in TOOLS])}")
    return "\n\n".join(parts)


def main() -> int:
    """Write the tables, or say whether they are current."""
    page = PAGE.read_text(encoding="utf-8")
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        print(f"{PAGE} has no lines {BEGIN} and {END}", file=sys.stderr)
        return 2
    current = f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"
    if sys.argv[1:] == ["--check"]:
        if page != current:
            print(f"{PAGE} is not current: run python scripts/error_table.py", file=sys.stderr)
        return int(page != current)
    PAGE.write_text(current, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
