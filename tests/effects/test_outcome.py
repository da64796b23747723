"""Which errors say that an effect did not act."""

import asyncio
import socket

import aiohttp
import pytest

from emonk.effects.outcome import did_not_act
from emonk.errors import (
    AgentError,
    CircuitOpen,
    Conflict,
    DeadlineExceeded,
    InfraError,
    InvalidArguments,
    MissingCredential,
    OutcomeUnknown,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    StaleSession,
    Unavailable,
)


class HttpError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


def caused_by(error: BaseException) -> Exception:
    made = RuntimeError("all connection attempts failed")
    made.__cause__ = ValueError("wrapped")
    made.__cause__.__cause__ = error
    return made


DID_NOT = [
    AgentError("no such page"),
    AgentError("usage", code="script_refused"),
    InvalidArguments("x"),
    PermissionDenied("x"),
    MissingCredential("x"),
    RateLimited("x"),
    QuotaExhausted("x"),
    CircuitOpen("x"),
    Unavailable("x", code="overloaded"),
    Unavailable("x", code="unreachable"),
    ConnectionRefusedError("x"),
    caused_by(ConnectionRefusedError("x")),
    caused_by(socket.gaierror("no such host")),
    *map(HttpError, (400, 401, 403, 404, 422, 429)),
]
MAY_HAVE = [
    OutcomeUnknown("x"),
    AgentError("exit code 1", code="script_failed"),
    Unavailable("x"),
    Unavailable("x", code="disconnected"),
    DeadlineExceeded("x"),
    InfraError("x"),
    StaleSession("x"),
    Conflict("x"),
    ConnectionResetError("x"),
    TimeoutError("x"),
    OSError("x"),
    ValueError("a bug, perhaps after the request"),
    SystemExit(1),
    aiohttp.ServerDisconnectedError(),
    caused_by(ConnectionResetError("x")),
    *map(HttpError, (200, 302, 408, 409, 425, 500, 502, 503, 504)),
]


@pytest.mark.parametrize("error", DID_NOT, ids=repr)
def test_a_refusal_or_what_was_never_sent_did_not_act(error: BaseException) -> None:
    assert did_not_act(error)


@pytest.mark.parametrize("error", MAY_HAVE, ids=repr)
def test_everything_else_may_have_acted(error: BaseException) -> None:
    assert not did_not_act(error)


async def ask_nobody() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/"):
        raise AssertionError


def test_a_connection_that_was_refused_did_not_act() -> None:
    with pytest.raises(aiohttp.ClientConnectorError) as refused:
        asyncio.run(ask_nobody())
    assert did_not_act(refused.value)


def test_causes_that_go_round_in_a_circle_end() -> None:
    one, other = RuntimeError("one"), RuntimeError("other")
    one.__cause__, other.__cause__ = other, one
    assert not did_not_act(one)
