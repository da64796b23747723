"""How much of a request is read, and what must be in it."""

from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from emonk.errors import DeadlineExceeded
from emonk.gateway.desk import desk_of
from emonk.gateway.problems import ProblemError
from emonk.resilience.deadline import within

BODY_BYTES = 1024 * 1024
BODY_SECONDS = 30.0
DISCARDED_BYTES = 16 * BODY_BYTES
"""Of a body that is too large, read and thrown away so that the client gets to read why."""

T = TypeVar("T")


async def read_body(request: Request, limit: int = BODY_BYTES) -> bytes:
    """The request's body.

    Raises:
        ProblemError: 413, it is larger than `limit` bytes, of which never more are kept; 408, it does not come in time.
    """
    try:
        return await within(BODY_SECONDS, _arriving(request, limit), clock=desk_of(request).clock, what="the body")
    except DeadlineExceeded as error:
        said = f"the request's body did not arrive within {BODY_SECONDS:g} s"
        raise ProblemError(408, "request_timeout", said) from error


async def _arriving(request: Request, limit: int) -> bytes:
    kept = bytearray()
    seen = 0
    try:
        async for chunk in request.stream():
            seen += len(chunk)
            if seen <= limit:
                kept += chunk
            elif seen > DISCARDED_BYTES:
                break
    except ClientDisconnect as error:
        raise ProblemError(400, "disconnected", "the request's body broke off") from error
    if seen > limit:
        raise ProblemError(413, "too_large", f"the request's body is larger than {limit} bytes", "send less at a time")
    return bytes(kept)


async def read_json(request: Request, shape: type[T]) -> T:
    """The request's body as a struct.

    Raises:
        ProblemError: 413 too large, 408 too slow, 400 not JSON, 422 JSON of another shape.
    """
    body = await read_body(request)
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise ProblemError(422, "invalid_request", str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProblemError(400, "not_json", f"the request's body is not JSON: {error}") from error
    except RecursionError as error:
        raise ProblemError(400, "not_json", "the request's body is nested too deep") from error
