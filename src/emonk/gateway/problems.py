"""Errors as JSON: `{"error": {"code", "message", "hint"}}` with the status that says whose turn it is to act."""

import logging
import math
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emonk.errors import AgentError, Conflict, EmonkError, InfraError, SessionNotFound, Unavailable
from emonk.gateway.wire import encode
from emonk.resilience.breaker import DAY
from emonk.resilience.classify import hint_of

_log = logging.getLogger("emonk.gateway")

_CODES = {404: "not_found", 405: "method_not_allowed"}


class ProblemError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint


def json_response(data: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that no cache keeps."""
    kept = {"Cache-Control": "no-store", **(headers or {})}
    return Response(encode(data), status, kept, media_type="application/json")


def problem_response(
    status: int, code: str, message: str, hint: str = "", *, headers: Mapping[str, str] | None = None
) -> Response:
    """An error as a response."""
    return json_response({"error": {"code": code, "message": message, "hint": hint}}, status, headers)


def status_of(error: EmonkError) -> int:
    """The HTTP status of an error: the caller's (400, 404, 409), the outside's (503), or the operator's (500)."""
    match error:
        case SessionNotFound():
            return 404
        case Conflict() | Unavailable(code="session_busy" | "effects_open"):
            return 409
        case AgentError():
            return 400
        case InfraError():
            return 503
        case _:
            return 500


async def on_problem(_request: Request, error: Exception) -> Response:
    """Answer a `ProblemError`."""
    assert isinstance(error, ProblemError)  # noqa: S101  registered for this class only
    return problem_response(error.status, error.code, error.message, error.hint)


async def on_emonk_error(_request: Request, error: Exception) -> Response:
    """Answer an error of emonk's own, with `Retry-After` when the outside named a time."""
    assert isinstance(error, EmonkError)  # noqa: S101  registered for this class only
    hint = hint_of(error)
    headers = {"Retry-After": str(math.ceil(min(hint, DAY)))} if hint else {}  # "at once" is no hint
    return problem_response(status_of(error), error.code, error.message, error.hint, headers=headers)


async def on_http_error(_request: Request, error: Exception) -> Response:
    """Answer what the router found wrong."""
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this class only
    code = _CODES.get(error.status_code, "http_error")
    return problem_response(error.status_code, code, error.detail, headers=error.headers)


class LastResort:
    """Middleware that answers a defect: the log gets the details, the caller does not.

    Starlette's own raises the error again after it answered, for the server to print.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noticed(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noticed)
        except ClientDisconnect:
            return
        except Exception as error:
            _log.exception("%s %s failed unexpectedly", scope.get("method"), scope.get("path"))
            if begun:
                raise
            await _internal(error)(scope, receive, send)


def _internal(error: Exception) -> Response:
    hint = "the server's log has the details"
    return problem_response(500, "internal", f"something unexpected went wrong: {type(error).__name__}", hint)
