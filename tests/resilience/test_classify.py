"""What an error means for a retry, a breaker and the model."""

import asyncio
from types import SimpleNamespace

import pytest

from emonk.errors import (
    AgentError,
    CircuitOpen,
    ConfigError,
    DeadlineExceeded,
    InfraError,
    InvalidArguments,
    InvalidConfig,
    OutcomeUnknown,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    StaleSession,
    Unavailable,
)
from emonk.resilience.classify import SHED, ToolFailure, Verdict, hint_of, retryable, tool_failure, verdict


class Answered(Exception):
    """As clients of HTTP raise it."""

    def __init__(self, status: int, where: str = "status") -> None:
        super().__init__(f"HTTP {status}")
        if where == "response":
            self.response = SimpleNamespace(status_code=status)
        else:
            setattr(self, where, status)


@pytest.mark.parametrize(
    ("error", "again", "recorded"),
    [
        (Unavailable("down"), True, Verdict.FAILURE),
        (Unavailable("cut", final=True), False, Verdict.FAILURE),
        (Unavailable("full", code=SHED), False, Verdict.IGNORED),
        (DeadlineExceeded("slow"), True, Verdict.FAILURE),
        (InfraError("odd"), True, Verdict.FAILURE),
        (RateLimited("later", retry_after=3), True, Verdict.COOL_DOWN),
        (QuotaExhausted("tomorrow"), False, Verdict.COOL_DOWN),
        (CircuitOpen("open"), False, Verdict.IGNORED),
        (StaleSession("lost"), False, Verdict.IGNORED),
        (InvalidArguments("wrong"), False, Verdict.IGNORED),
        (OutcomeUnknown("who knows"), False, Verdict.FAILURE),
        (ConfigError("fix me"), False, Verdict.IGNORED),
        (ConnectionResetError(), True, Verdict.FAILURE),
        (TimeoutError(), True, Verdict.FAILURE),
        (ValueError("a bug"), False, Verdict.FAILURE),
        (Answered(503), True, Verdict.FAILURE),
        (Answered(500, "status_code"), True, Verdict.FAILURE),
        (Answered(502, "response"), True, Verdict.FAILURE),
        (Answered(429), True, Verdict.COOL_DOWN),
        (Answered(408), True, Verdict.FAILURE),
        (Answered(404), False, Verdict.IGNORED),
        (Answered(403, "response"), False, Verdict.IGNORED),
        (asyncio.CancelledError(), False, Verdict.IGNORED),
        (KeyboardInterrupt(), False, Verdict.IGNORED),
    ],
    ids=repr,
)
def test_an_error_says_whether_to_retry_and_what_to_record(
    error: BaseException, again: bool, recorded: Verdict
) -> None:
    assert retryable(error) is again
    assert verdict(error) is recorded


def test_no_error_is_a_success() -> None:
    assert verdict(None) is Verdict.SUCCESS


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (3, 3.0),
        (0.5, 0.5),
        (0, 0.0),
        (None, None),
        (-1, None),
        (float("nan"), None),
        (float("inf"), None),
        ("3", None),
        (True, None),
        pytest.param(10**400, None, id="an int that no float holds"),
    ],
    ids=repr,
)
def test_a_hint_without_sense_counts_as_none(said: float | None, seconds: float | None) -> None:
    assert hint_of(RateLimited("later", retry_after=said)) == seconds


def test_an_error_of_others_names_no_hint() -> None:
    assert hint_of(ValueError("x")) is None


class Guarded(Exception):
    """As clients make them: what is not there yet raises when it is asked for."""

    @property
    def response(self) -> object:
        raise RuntimeError("the response has not been set")

    retry_after = status = status_code = response


def test_an_error_whose_attributes_raise_says_nothing() -> None:
    error = Guarded("x")
    assert (hint_of(error), retryable(error), verdict(error)) == (None, False, Verdict.FAILURE)


@pytest.mark.parametrize(
    ("error", "idempotent", "failure"),
    [
        (InvalidArguments("wrong"), False, ToolFailure.CORRECTABLE),
        (AgentError("try otherwise"), False, ToolFailure.CORRECTABLE),
        (ValueError("a bug"), False, ToolFailure.CORRECTABLE),
        (PermissionDenied("no"), False, ToolFailure.TERMINAL),
        (InvalidConfig("fix me"), False, ToolFailure.TERMINAL),
        (Unavailable("refused"), False, ToolFailure.TERMINAL),
        (CircuitOpen("open"), False, ToolFailure.TERMINAL),
        (ConnectionRefusedError(), False, ToolFailure.CORRECTABLE),
        (OutcomeUnknown("who knows"), True, ToolFailure.UNKNOWN),
        (DeadlineExceeded("slow"), False, ToolFailure.UNKNOWN),
        (Unavailable("cut", code="disconnected"), False, ToolFailure.UNKNOWN),
        (ConnectionResetError(), False, ToolFailure.UNKNOWN),
        (TimeoutError(), False, ToolFailure.UNKNOWN),
        (DeadlineExceeded("slow"), True, ToolFailure.TERMINAL),
        (ConnectionResetError(), True, ToolFailure.CORRECTABLE),
    ],
    ids=repr,
)
def test_what_a_tools_failure_leaves_behind(error: Exception, idempotent: bool, failure: ToolFailure) -> None:
    assert tool_failure(error, idempotent=idempotent) is failure
