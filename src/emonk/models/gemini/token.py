"""Bearer tokens that are refreshed ahead of time."""

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import msgspec

from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.errors import EmonkError, InfraError, Unavailable
from emonk.models.gemini.credentials import Found

AHEAD = 300.0
"""Seconds before its end from when on a token is refreshed, beside the calls that still use it."""

TOO_LATE = 15.0
"""Seconds before its end from when on it is not used any more: it has to arrive, and clocks differ."""

PAUSE = 30.0
"""Seconds between attempts while the old token is valid."""


class _Token(msgspec.Struct, frozen=True):
    value: str = ""
    until: float = 0.0


class TokenSource:
    """Gives a valid token at once where there is one; refreshes it in a thread, once for all who wait.

    It may be used from several event loops.
    """

    def __init__(self, credentials: Found, *, clock: Clock = SYSTEM_CLOCK) -> None:
        """Begin without a token; the first call fetches one."""
        self._credentials = credentials
        self._clock = clock
        self._token = _Token()
        self._accepted = ""
        self._tried = float("-inf")
        self._lock = threading.Lock()
        self._refreshing: Future[_Token] | None = None

    async def token(self) -> str:
        """One that is valid now.

        Raises:
            InfraError: who issues tokens cannot serve.
            MissingCredential: the credentials are refused.
        """
        now = self._clock.time()
        left = self._token.until - now
        if left > AHEAD:
            return self._token.value
        if left > TOO_LATE:
            if now - self._tried > PAUSE:
                self._refresh(now)
            return self._token.value
        return (await _waited(self._refresh(now))).value

    def accepted(self, token: str) -> None:
        """Told of an answer other than 401."""
        self._accepted = token

    def refused(self, token: str) -> InfraError | None:
        """Told of a 401. A token that was good before has ended early, as on a change of its key: the next call takes
        another, so that the guard's retry may succeed; one that never was good is what the credentials are worth.
        """
        if token != self._accepted:
            return None
        if token == self._token.value:
            self._token = _Token()
        return Unavailable("Vertex AI takes this token no more: the next call has a new one", code="token_ended")

    def _refresh(self, now: float) -> "Future[_Token]":
        with self._lock:
            if self._refreshing is not None:
                return self._refreshing
            self._tried = now
            refreshing = self._refreshing = Future[_Token]()
        threading.Thread(target=self._fetch, args=(refreshing,), name="emonk-token", daemon=True).start()
        return refreshing

    def _fetch(self, refreshing: "Future[_Token]") -> None:
        try:
            value, until = self._credentials.refresh()
            token = _Token(value, float("inf") if until is None else until)
        except BaseException as error:  # noqa: BLE001 - whoever waits is told
            with self._lock:
                self._refreshing = None
            refreshing.set_exception(error)
            return
        with self._lock:
            self._token, self._refreshing = token, None
        refreshing.set_result(token)


async def _waited(refreshing: "Future[_Token]") -> _Token:
    """Its result; who gives up waiting does not end it for the others."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def wake(_: object) -> None:
        with suppress(RuntimeError):  # the loop has ended, and nobody waits there
            loop.call_soon_threadsafe(done.set)

    refreshing.add_done_callback(wake)
    await done.wait()
    error: Any = refreshing.exception()
    if isinstance(error, EmonkError):
        raise _anew(error)
    return refreshing.result()


def _anew(error: EmonkError) -> EmonkError:
    """Each who waits has an error of their own, since a traceback grows with every raise."""
    return type(error)(error.message, hint=error.hint, code=error.code)
