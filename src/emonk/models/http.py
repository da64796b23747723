"""HTTP to model providers: one pooled session per event loop, every failure as one of emonk's errors, no retries."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from emonk.errors import (
    ConfigError,
    DeadlineExceeded,
    EmonkError,
    InfraError,
    InvalidConfig,
    MalformedOutput,
    MissingCredential,
    Unavailable,
)
from emonk.models.answers import ANSWER_LIMIT, Answering, Connecting, page_hint, read_whole, too_large
from emonk.models.bearer import Bearer
from emonk.models.cassette.current import NO_KEY, current, replaying

if TYPE_CHECKING:
    from emonk.models.secrets import Secrets

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

TRUST = "if that certificate is to be trusted, name a file with it or its issuer in SSL_CERT_FILE, and start again"

_ERROR_LIMIT = 256 * 1024  # bytes; an error says what it has to say in far less

LINGER = 0.2
"""Seconds for which the end of a body is awaited whose answer is over."""

_LINGER_LIMIT = 64 * 1024

LONGEST_WAIT = 366 * 86_400.0
"""Seconds; who asks to wait longer is read as asking for this."""

ErrorReader = Callable[[int, Mapping[str, str], bytes], InfraError | ConfigError | MalformedOutput]
"""What a provider's error means: from status, headers and body."""


class HttpClient:
    """Posts JSON to one provider.

    A POST is sent once: neither this class nor aiohttp repeats it, and redirects are not followed, since they would
    carry the key elsewhere. No error raised here holds the request, its headers or the key.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str],
        secret: str,
        silence: float,
        read_error: ErrorReader,
        bearer: Bearer | None = None,
        provider: str = "",
    ) -> None:
        """Talk to `base_url`.

        Args:
            base_url: where the provider is, `http://` or `https://`.
            headers: sent with every request.
            secret: never to be seen in an error's text; empty when there is none.
            silence: seconds without a byte after which a call is given up.
            read_error: makes an error of an answer that is none of 2xx.
            bearer: gives the token that each request carries, where that changes with time.
            provider: whose wire format it is, for a cassette.

        Raises:
            InvalidConfig: `base_url` is no HTTP address.
        """
        self._host = _host(base_url)
        self._base_url = base_url.rstrip("/")
        self._headers = {"Content-Type": "application/json", "User-Agent": "emonk", **headers}
        self._secret = secret
        self._silence = silence
        self._read_error = read_error
        self._cassette = current()
        if self._cassette is not None:
            self._cassette.learn(secret)
        self._provider = provider
        self._bearer = None if replaying() else bearer
        self._lines: dict[asyncio.AbstractEventLoop, Connecting] = {}

    async def post(self, path: str, body: bytes) -> bytes:
        """The body of a 2xx answer.

        Raises:
            InfraError: the provider cannot be reached or cannot serve; `too_large` when it sends more than
                `ANSWER_LIMIT` bytes.
            ConfigError: the provider refuses the request or the key.
        """
        lines = self._lines_here()
        token = "" if self._bearer is None else await self._bearer.token()
        try:
            async with lines.post(path, body, token) as answer:
                if 200 <= answer.status < 300:
                    if self._bearer is not None:
                        self._bearer.accepted(token)
                    return await read_whole(answer, self._host)
                failure = await self._refusal(answer, token)
        except lines.faults as error:
            failure = connection_failure(error, self._host)
        # Raised out here, so that no context leads to the request and its headers.
        raise failure

    async def stream(self, path: str, body: bytes, over: Callable[[], bool] = lambda: False) -> AsyncGenerator[bytes]:
        """The body of a 2xx answer as it arrives, if it is an event stream.

        Args:
            path: after the base URL.
            body: of the request.
            over: tells after a piece that nothing of the body is needed any more: its end is awaited for a moment, so
                that the connection can be used again, and no failure counts.

        Raises:
            InfraError: the provider cannot be reached, cannot serve, or breaks off; `too_large` when it sends more than
                `ANSWER_LIMIT` bytes, as one that never ends would.
            ConfigError: the provider refuses the request or the key.
        """
        lines = self._lines_here()
        token = "" if self._bearer is None else await self._bearer.token()
        try:
            async with lines.open(path, body, token) as answer:
                if 200 <= answer.status < 300 and _is_event_stream(answer.headers):
                    if self._bearer is not None:
                        self._bearer.accepted(token)
                    size = 0
                    async for chunk in answer.content.iter_any():
                        size += len(chunk)
                        if size > ANSWER_LIMIT:
                            break
                        yield chunk
                        if over():
                            await _read_off(answer, lines.faults)
                            return
                    else:
                        return
                    failure = too_large(self._host)
                else:
                    failure = await self._refusal(answer, token)
        except lines.faults as error:
            failure = connection_failure(error, self._host)
        raise failure

    async def aclose(self) -> None:
        """Close the connections that belong to the running event loop."""
        lines = self._lines.pop(asyncio.get_running_loop(), None)
        if lines is not None:
            await lines.aclose()

    async def _refusal(self, answer: Answering, token: str) -> InfraError | ConfigError | MalformedOutput:
        if 300 <= answer.status < 400:
            return _redirect(self._host, answer, self._secrets(token))
        body = bytearray()
        async for piece in answer.content.iter_any():
            body += piece
            if len(body) >= _ERROR_LIMIT:
                break
        del body[_ERROR_LIMIT:]
        # Before it is read: a message is cut, and a part of a secret is not known as one.
        body = self._secrets(token).out_of_body(bytes(body))
        failure = self._read_error(answer.status, answer.headers, body)
        failure.hint = page_hint(answer.status, body) or failure.hint
        if self._bearer is not None and answer.status == 401:
            failure = self._bearer.refused(token) or failure
        failure.status = answer.status if answer.status >= 300 else None
        self.redact(failure, token)
        return failure

    def redact(self, error: EmonkError, token: str = "") -> None:
        """Strike the secrets out of an error that tells what the provider said."""
        secrets = self._secrets(token)
        error.message = secrets.out_of_text(error.message)
        error.hint = secrets.out_of_text(error.hint)
        error.args = (error.message,)

    def _secrets(self, token: str) -> "Secrets":
        from emonk.models.secrets import Secrets  # noqa: PLC0415 - for failures only

        return Secrets((self._secret, token))

    def _lines_here(self) -> Connecting:
        loop = asyncio.get_running_loop()
        lines = self._lines.get(loop)
        if lines is None or lines.closed:
            self._lines = {known: each for known, each in self._lines.items() if not known.is_closed()}
            lines = self._lines[loop] = self._open()
        return lines

    def _open(self) -> Connecting:
        from urllib.request import getproxies  # noqa: PLC0415 - with aiohttp, 0.3 s of CPU for the first call only

        from emonk.models.exchange import Lines  # noqa: PLC0415 - as above

        base = urlsplit(self._base_url).path
        if self._cassette is not None and not self._cassette.records:
            from emonk.models.cassette.lines import ReplayingLines  # noqa: PLC0415 - few runs have a cassette

            return ReplayingLines(self._cassette, self._provider, base)
        proxies = self._host not in LOOPBACK and bool(getproxies())
        lines = Lines(self._base_url, self._headers, silence=self._silence, proxies=proxies)
        if self._cassette is None:
            return lines
        from emonk.models.cassette.lines import RecordingLines  # noqa: PLC0415 - as above

        return RecordingLines(lines, self._cassette, self._provider, base)


async def _read_off(answer: Answering, faults: tuple[type[Exception], ...]) -> None:
    """Read to the end of a body that is not needed, unless that takes long."""
    left = _LINGER_LIMIT
    with suppress(TimeoutError, *faults):
        async with asyncio.timeout(LINGER):
            async for piece in answer.content.iter_any():
                left -= len(piece)
                if left < 0:
                    return


def _is_event_stream(headers: Mapping[str, str]) -> bool:
    return headers.get("Content-Type", "").partition(";")[0].strip().lower() == "text/event-stream"


def _redirect(host: str, answer: Answering, secrets: "Secrets") -> InvalidConfig:
    """Not followed; where it leads is told without what may be secret."""
    place = secrets.out_of_place(answer.headers.get("Location", ""))
    to = f" to {place}" if place else ""
    return InvalidConfig(f"{host} redirects ({answer.status}){to}", hint="give the address it points to")


def connection_failure(error: Exception, host: str) -> InfraError:
    """What an exception of aiohttp or of a socket means."""
    import aiohttp  # noqa: PLC0415 - as above
    from aiohttp.http import HttpProcessingError  # noqa: PLC0415 - as above

    no_http = Unavailable(f"{host} does not speak HTTP", code="malformed_body")
    check_network = "check the network and the base URL"
    known: tuple[tuple[type[Exception], InfraError], ...] = (
        (
            aiohttp.ConnectionTimeoutError,
            Unavailable(f"{host} does not answer", hint=check_network, code="unreachable"),
        ),
        (TimeoutError, DeadlineExceeded(f"{host} fell silent")),
        (aiohttp.ClientPayloadError, Unavailable(f"{host} broke off its answer", code="interrupted")),
        (aiohttp.ServerDisconnectedError, Unavailable(f"{host} closed the connection", code="disconnected")),
        (
            aiohttp.ClientConnectorCertificateError,
            Unavailable(f"no trusted connection to {host}: {_reason(error)}", hint=TRUST, code="tls"),
        ),
        (aiohttp.ClientSSLError, Unavailable(f"no trusted connection to {host}: {_reason(error)}", code="tls")),
        (
            aiohttp.ClientConnectorError,
            Unavailable(f"cannot reach {host}: {_reason(error)}", hint=check_network, code="unreachable"),
        ),
        (aiohttp.ClientResponseError, no_http),
        (HttpProcessingError, no_http),
    )
    for kind, failure in known:
        if isinstance(error, kind):
            return failure
    return Unavailable(f"the connection to {host} failed: {_reason(error)}", code="disconnected")


def retry_after(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Seconds that a `Retry-After` header names, as a number or as a date (RFC 9110, 10.2.3), if it can be read."""
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    if value.isascii() and value.replace(".", "", 1).isdigit():
        return min(float(value), LONGEST_WAIT)
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - few servers name a date

    try:
        until = parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, until - (time.time() if now is None else now))


def status_failure(status: int, message: str, *, wait: float | None = None) -> InfraError | ConfigError:
    """What an HTTP status means when the provider says nothing that is more exact."""
    match status:
        case 401 | 403:
            return MissingCredential(message, hint="check the key and what it may do")
        case 408 | 504:
            return DeadlineExceeded(message, retry_after=wait)
        case _ if status >= 500 or status == 499 or status < 400:
            return Unavailable(message, retry_after=wait)
        case _:
            return InvalidConfig(message)


def check_key(key: str | None, variable: str) -> str:
    """A key as it can be sent in a header.

    Raises:
        MissingCredential: there is none, or it holds what no key holds.
    """
    key = (key or "").strip()
    if not key and replaying():
        return NO_KEY
    if not key:
        raise MissingCredential("no API key", hint=f"set {variable}")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise MissingCredential("the API key holds characters that no key has", hint=f"check {variable}")
    return key


def _host(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
        host = parts.hostname
    except ValueError:
        host = None
    else:
        if parts.scheme in {"http", "https"} and host:
            return host
    raise InvalidConfig(f"{base_url!r} is no address of a model provider", hint="write https://HOST")


def _reason(error: Exception) -> str:
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", error)
    if isinstance(cause, OSError) and "Connect call failed" in str(cause):  # asyncio's words in place of the system's
        return os.strerror(cause.errno).lower() if cause.errno is not None else "none of its addresses answers"
    return (getattr(cause, "strerror", None) or str(cause) or type(cause).__name__).splitlines()[0]
