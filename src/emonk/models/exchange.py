"""Connections to one provider, and a POST over them without what `ClientSession.post` makes anew for each.

To one provider nearly everything is the same each time: the address, the headers, no cookies, no redirects. So the head
of a request is written once, and head and body leave together, not by a task of their own. The pool, names, TLS, the
reading of answers and all that breaks on the way stay aiohttp's. A turn with one tool call costs a fifth less for it.
"""

import asyncio
import io
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self, cast

from aiohttp import (
    ClientError,
    ClientRequest,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    ServerDisconnectedError,
    SocketTimeoutError,
    TCPConnector,
)
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from yarl import URL

from emonk.errors import InvalidConfig
from emonk.models.answers import Answering
from emonk.resilience.later import Later

CONNECT_TIMEOUT = 10.0
"""Seconds for a connection, with TLS."""

_LARGE_BODY = 1 << 20


class Lines:
    """The connections of one event loop to one provider."""

    faults = (ClientError, HttpProcessingError, OSError)
    """What goes wrong with a connection is one of these."""

    def __init__(self, base_url: str, headers: Mapping[str, str], *, silence: float, proxies: bool) -> None:
        """Connect when it is needed.

        Args:
            base_url: where the provider is.
            headers: sent with every request.
            silence: seconds after which a whole answer, or the next piece of a stream, is given up.
            proxies: those of the environment are used.

        Raises:
            InvalidConfig: a header's value is not one line.
        """
        if not all(value.isprintable() for value in headers.values()):
            raise InvalidConfig("a header holds characters that none can", hint="check the settings of the provider")
        loop = asyncio.get_running_loop()
        timeout = ClientTimeout(total=None, connect=silence, sock_connect=CONNECT_TIMEOUT, sock_read=silence)
        connector = TCPConnector(limit=0)
        self._session = ClientSession(
            connector=connector, cookie_jar=DummyCookieJar(), headers=headers, timeout=timeout, trust_env=proxies
        )
        self._base_url = base_url
        self._proxies = proxies
        self._connector = connector
        self._timeout = timeout
        self._request = ClientRequest("POST", URL(base_url), headers=headers, loop=loop, session=self._session)
        self._silence = Later(silence)
        self._heads: dict[str, bytes] = {}

    @property
    def closed(self) -> bool:
        return self._session.closed

    async def aclose(self) -> None:
        self._silence.close()
        await self._session.close()

    def post(self, path: str, body: bytes, token: str = "") -> AbstractAsyncContextManager[Answering]:
        """Send a request, with a bearer token if there is one, and have the beginning of its answer."""
        if self._proxies:
            return self.open(path, body, token)
        head = self._heads.get(path) or self._head_of(path)
        if token:
            head = b"%bAuthorization: Bearer %b\r\n" % (head, token.encode())
        return Exchange(self, b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body))

    def open(self, path: str, body: bytes, token: str = "") -> AbstractAsyncContextManager[Answering]:
        """As `post`, for an answer that comes in pieces, each of them timed."""
        # aiohttp warns of large bodies that are given as bytes.
        data = body if len(body) < _LARGE_BODY else io.BytesIO(body)
        headers = {"Authorization": f"Bearer {token}"} if token else None
        sent = self._session.post(self._base_url + path, data=data, headers=headers, allow_redirects=False)
        return cast("AbstractAsyncContextManager[Answering]", sent)

    async def connection(self) -> Connection:
        """One that is kept, else a new one; to be released or closed.

        Raises:
            ClientError: there is none.
        """
        try:
            return await self._connector.connect(self._request, [], self._timeout)
        except TimeoutError as error:
            raise ConnectionTimeoutError("no connection in time") from error

    def watch(self, exchange: "Exchange") -> None:
        """End it if it is still there when the time of silence is over; `let_go` says that it is not."""
        self._silence.add(exchange, exchange.fall_silent)

    def let_go(self, exchange: "Exchange") -> None:
        """The exchange is over."""
        self._silence.drop(exchange)

    def _head_of(self, path: str) -> bytes:
        """A request up to what is its own; kept, since the paths of a provider are few."""
        told = [f"{name}: {value}\r\n" for name, value in self._request.headers.items() if name != "Content-Length"]
        target = URL(self._base_url + path).raw_path_qs
        head = f"POST {target} HTTP/1.1\r\n{''.join(told)}".encode()
        self._heads[path] = head
        return head


class Exchange:
    """A request that is sent on entering, and its answer until that is left.

    Attributes:
        status: of the answer.
        headers: of the answer.
        content: its body.
    """

    status: int
    headers: Mapping[str, str]
    _connection: Connection

    def __init__(self, lines: Lines, request: bytes) -> None:
        self._lines = lines
        self._sent = request
        self.content: StreamReader = EMPTY_PAYLOAD

    async def __aenter__(self) -> Self:
        self._connection = await self._lines.connection()
        self._lines.watch(self)
        try:
            await self._begin(self._connection)
        except BaseException:
            self._leave()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(clean=error is None)

    def fall_silent(self) -> None:
        """Let whoever waits for the answer know that there is none."""
        error = SocketTimeoutError("no answer in time")
        if self._connection.protocol is not None:
            self._connection.protocol.set_exception(error)
        self.content.set_exception(error)

    async def _begin(self, connection: Connection) -> None:
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None:
            raise ServerDisconnectedError
        protocol.set_response_params(read_until_eof=True)
        transport.write(self._sent)
        message, self.content = await protocol.read()
        while 100 <= message.code < 200:
            message, self.content = await protocol.read()
        self.status, self.headers = message.code, message.headers

    def _leave(self, *, clean: bool = False) -> None:
        self._lines.let_go(self)
        connection = self._connection
        transport = connection.transport
        if clean and transport is not None and not transport.get_write_buffer_size():
            connection.release()  # which closes it unless the answer was read to its end
        else:
            connection.close()
