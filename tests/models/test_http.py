"""HTTP to a provider: every way it can fail is one of our errors, nothing is sent twice, the key is never seen."""

import asyncio
import errno
import gc
import socket
import traceback
from collections.abc import Mapping

import pytest

from emonk.errors import (
    ConfigError,
    DeadlineExceeded,
    EmonkError,
    InfraError,
    InvalidConfig,
    MissingCredential,
    Unavailable,
)
from emonk.models.http import LONGEST_WAIT, HttpClient, check_key, connection_failure, retry_after, status_failure
from emonk.models.waits import header_wait
from emonk.testing.answers import Chunks, Drop, Raw, SeenRequest
from emonk.testing.gemini import GeminiServer, held
from emonk.testing.gemini_answers import fails, says, stream

SECRET = "AIza-very-secret"
PATH = "/v1beta/models/m:generateContent"
BODY = b'{"contents": [{"parts": [{"text": "hi"}]}]}'


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> InfraError | ConfigError:
    return status_failure(status, body.decode(), wait=retry_after(headers))


def client(base_url: str, *, silence: float = 5.0) -> HttpClient:
    return HttpClient(
        base_url, headers={"x-goog-api-key": SECRET}, secret=SECRET, silence=silence, read_error=read_error
    )


async def failure_of(http: HttpClient) -> EmonkError:
    with pytest.raises(EmonkError) as caught:
        await http.post(PATH, BODY)
    await http.aclose()
    error = caught.value
    assert SECRET not in "".join(traceback.format_exception(error)) + repr(error.__dict__) + repr(error.args)
    assert error.__cause__ is None
    assert error.__context__ is None
    return error


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EHOSTUNREACH, "Connect call failed ('192.0.2.1', 443)"), "no route to host"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 1)"), "none of its addresses answers"),
        (OSError(errno.ECONNRESET, "Connection reset by peer"), "Connection reset by peer"),
    ],
)
def test_a_connection_that_fails_is_told_in_words_of_the_system(error: OSError, said: str) -> None:
    assert connection_failure(error, "h").message == f"the connection to h failed: {said}"


def test_a_refused_connection() -> None:
    error = asyncio.run(failure_of(client(f"http://127.0.0.1:{free_port()}")))
    assert (type(error), error.code) == (Unavailable, "unreachable")
    assert error.message == "cannot reach 127.0.0.1: connection refused"


def test_a_name_that_does_not_exist() -> None:
    error = asyncio.run(failure_of(client("http://nowhere.invalid")))
    assert (type(error), error.code) == (Unavailable, "unreachable")


def test_a_server_without_tls() -> None:
    async def main() -> None:
        async with GeminiServer([]) as server:
            error = await failure_of(client(server.base_url.replace("http:", "https:")))
        assert (type(error), error.code) == (Unavailable, "tls")

    asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Drop(), "disconnected"),
        (Drop(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"), "interrupted"),
        (Drop(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), "interrupted"),
        (Drop(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), "malformed_body"),
        (Drop(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"), "interrupted"),
    ],
)
def test_a_connection_that_breaks_off_is_reported_and_the_request_not_repeated(answer: Drop, code: str) -> None:
    async def main() -> None:
        async with GeminiServer([answer, says("second")]) as server:
            error = await failure_of(client(server.base_url))
            assert (type(error), error.code) == (Unavailable, code)
        assert len(server.requests) == 1

    asyncio.run(main())


def test_a_kept_connection_that_dies_is_not_repeated_either() -> None:
    async def main() -> None:
        async with GeminiServer([says("one"), Drop(), says("never")]) as server:
            http = client(server.base_url)
            await http.post(PATH, BODY)
            error = await failure_of(http)
            assert error.code == "disconnected"
        assert len(server.requests) == 2

    asyncio.run(main())


def test_silence_is_a_deadline() -> None:
    async def main() -> None:
        never = asyncio.Event()
        async with GeminiServer([held(says("late"), never)]) as server:
            error = await failure_of(client(server.base_url, silence=0.02))
            never.set()
        assert type(error) is DeadlineExceeded

    asyncio.run(main())


def test_silence_after_half_an_answer_is_a_deadline_too() -> None:
    async def main() -> None:
        closed = asyncio.Event()

        async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{")
            await reader.read()
            writer.close()
            closed.set()

        server = await asyncio.start_server(half, "127.0.0.1", 0)
        error = await failure_of(client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", silence=0.05))
        await asyncio.wait_for(closed.wait(), 5)
        server.close()
        assert type(error) is DeadlineExceeded

    asyncio.run(main())


def test_of_two_calls_only_the_silent_one_is_given_up() -> None:
    async def main() -> None:
        never, soon = asyncio.Event(), asyncio.Event()
        async with GeminiServer([says("first"), held(says("late"), never), held(says("in time"), soon)]) as server:
            http = client(server.base_url, silence=0.3)
            await http.post(PATH, BODY)
            silent = asyncio.create_task(http.post(PATH, BODY))
            await server.wait_for_requests(2)
            heard = asyncio.create_task(http.post(PATH, BODY))
            await server.wait_for_requests(3)
            soon.set()
            assert b"in time" in await heard
            with pytest.raises(DeadlineExceeded, match="fell silent"):
                await silent
            never.set()
            await http.aclose()

    asyncio.run(main())


def test_a_redirect_is_not_followed_with_the_key() -> None:
    async def main() -> None:
        async with GeminiServer([says("stolen")]) as other:
            elsewhere = {"Location": f"{other.base_url}{PATH}"}
            async with GeminiServer([Raw(b"", 307, headers=elsewhere)]) as server:
                error = await failure_of(client(server.base_url))
        assert type(error) is InvalidConfig
        assert "redirects (307)" in error.message
        assert other.requests == []

    asyncio.run(main())


def test_a_key_that_the_provider_repeats_is_struck_out() -> None:
    async def main() -> None:
        async with GeminiServer([Raw(f"your key {SECRET} is bad".encode(), 401)]) as server:
            error = await failure_of(client(server.base_url))
        assert (type(error), error.message) == (MissingCredential, "your key *** is bad")

    asyncio.run(main())


def test_a_key_is_struck_out_of_the_hint_too() -> None:
    def hint(_status: int, _headers: Mapping[str, str], body: bytes) -> InfraError | ConfigError:
        return InvalidConfig("no", hint=body.decode())

    async def main() -> None:
        async with GeminiServer([Raw(f"use another key than {SECRET}".encode(), 400)]) as server:
            http = HttpClient(
                server.base_url, headers={"x-goog-api-key": SECRET}, secret=SECRET, silence=5.0, read_error=hint
            )
            error = await failure_of(http)
        assert error.hint == "use another key than ***"

    asyncio.run(main())


def test_of_an_endless_error_only_the_beginning_is_read() -> None:
    sizes: list[int] = []

    def measure(status: int, _headers: Mapping[str, str], body: bytes) -> InfraError | ConfigError:
        sizes.append(len(body))
        return status_failure(status, "endless")

    async def main() -> None:
        async with GeminiServer([Raw(b"x" * 3_000_000, 500), Raw(b"short", 500)]) as server:
            http = HttpClient(
                server.base_url, headers={"x-goog-api-key": SECRET}, secret=SECRET, silence=5.0, read_error=measure
            )
            for _ in range(2):
                with pytest.raises(Unavailable, match="endless"):
                    await http.post(PATH, BODY)
            await http.aclose()

    asyncio.run(main())
    assert sizes == [256 * 1024, 5]


def test_the_key_goes_into_its_header_only() -> None:
    async def main() -> None:
        async with GeminiServer([says("hi")]) as server:
            http = client(server.base_url)
            await http.post(PATH, BODY)
            await http.aclose()
        (seen,) = server.requests
        assert seen.headers["x-goog-api-key"] == SECRET
        assert SECRET not in seen.path + repr(seen.body)

    asyncio.run(main())


def test_a_hundred_calls_run_at_once() -> None:
    async def main() -> None:
        arrived, everybody = 0, asyncio.Event()

        async def together(_: SeenRequest) -> dict[str, object]:
            nonlocal arrived
            arrived += 1
            if arrived == 100:
                everybody.set()
            await everybody.wait()
            return says("hi")

        async with GeminiServer(together) as server:
            http = client(server.base_url)
            await asyncio.gather(*(http.post(PATH, BODY) for _ in range(100)))
            await http.aclose()

    asyncio.run(main())


def test_a_body_of_several_megabytes_is_sent() -> None:
    async def main() -> None:
        text = "x" * 3_000_000
        async with GeminiServer([says("hi")]) as server:
            http = client(server.base_url)
            await http.post(PATH, b'{"contents": [{"parts": [{"text": "%b"}]}]}' % text.encode())
            await http.aclose()
        assert server.requests[0].body["contents"][0]["parts"][0]["text"] == text

    asyncio.run(main())


def test_one_client_serves_one_event_loop_after_the_other() -> None:
    async def main(http: HttpClient, path: str) -> bytes:
        try:
            return await http.post(path, BODY)
        finally:
            await http.aclose()

    async def served() -> tuple[bytes, bytes]:
        async with GeminiServer([says("hi"), says("hi")]) as server:
            http = client(server.base_url)
            loop_of_its_own = asyncio.to_thread(lambda: asyncio.run(main(http, PATH)))
            return await main(http, PATH), await loop_of_its_own

    first, second = asyncio.run(served())
    assert first == second


def test_a_cancelled_call_closes_its_connection() -> None:
    async def main() -> None:
        never = asyncio.Event()
        async with GeminiServer([held(says("late"), never), says("next")]) as server:
            http = client(server.base_url)
            call = asyncio.create_task(http.post(PATH, BODY))
            await server.wait_for_requests()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert b"next" in await http.post(PATH, BODY)
            await http.aclose()
            never.set()

    asyncio.run(main())


def test_a_stream_comes_as_it_is_sent() -> None:
    async def main() -> None:
        async with GeminiServer([Chunks([b"data: a\n", b"\ndata: b\n\n"])]) as server:
            http = client(server.base_url)
            assert b"".join([chunk async for chunk in http.stream(PATH, BODY)]) == b"data: a\n\ndata: b\n\n"
            await http.aclose()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (fails(503, "overloaded"), Unavailable),
        (Raw(b"no event stream"), Unavailable),
        (stream([says("half")], drop=True), Unavailable),
    ],
)
def test_a_stream_fails_like_a_call(answer: Raw | Chunks, kind: type[EmonkError]) -> None:
    async def main() -> None:
        async with GeminiServer([answer]) as server:
            http = client(server.base_url)
            with pytest.raises(kind):
                [chunk async for chunk in http.stream(PATH, BODY)]
            await http.aclose()

    asyncio.run(main())


def test_a_client_that_was_never_used_leaves_nothing_open() -> None:
    http = client("https://generativelanguage.googleapis.com")
    asyncio.run(http.aclose())
    del http
    gc.collect()


@pytest.mark.parametrize("address", ["", "localhost:80", "ftp://x", "http://", "http://[::1", "https:///v1"])
def test_an_address_that_is_none_is_told(address: str) -> None:
    with pytest.raises(InvalidConfig, match="no address of a model provider"):
        client(address)


@pytest.mark.parametrize("key", [None, "", "  "])
def test_a_key_is_needed(key: str | None) -> None:
    with pytest.raises(MissingCredential, match="set GEMINI_API_KEY"):
        check_key(key, "GEMINI_API_KEY")


@pytest.mark.parametrize("key", ["a\nb", "a b", "schlüssel", "a\x7f"])
def test_a_key_with_characters_that_no_header_takes_is_told_but_not_shown(key: str) -> None:
    with pytest.raises(MissingCredential, match="characters that no key has") as caught:
        check_key(key, "GEMINI_API_KEY")
    assert key not in str(caught.value)


def test_a_line_end_around_a_key_is_taken_off() -> None:
    assert check_key(" key\n", "GEMINI_API_KEY") == "key"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        ("2.5", 2.5),
        (" 10 ", 10.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 60.0),
        ("Wed, 21 Oct 2015 07:00:00 GMT", 0.0),
        ("9" * 400, LONGEST_WAIT),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.2.3", None),
        ("²", None),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
    ],
)
def test_retry_after_in_seconds_or_as_a_date(value: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": value}, now=1445412420.0) == seconds


@pytest.mark.parametrize("name", ["Retry-After", "retry-after-ms"])
def test_a_wait_of_400_digits_is_one_of_the_longest(name: str) -> None:
    assert header_wait({name: "9" * 400}, now=0.0) == LONGEST_WAIT


def test_no_retry_after_is_none() -> None:
    assert retry_after({}) is None


def test_a_head_before_the_answer_is_passed_over() -> None:
    async def main() -> None:
        early = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
        async with GeminiServer([Drop(early + whole)]) as server:
            http = client(server.base_url)
            assert await http.post(PATH, BODY) == b"{}"
            await http.aclose()

    asyncio.run(main())


def test_a_connection_whose_request_was_refused_half_way_is_not_used_again() -> None:
    async def main() -> None:
        closed = asyncio.Event()

        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge")
            await refused.wait()
            await reader.read()
            writer.close()
            closed.set()

        refused = asyncio.Event()
        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        http = client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(InvalidConfig, match="large"):
            await http.post(PATH, b"x" * 30_000_000)
        refused.set()
        await asyncio.wait_for(closed.wait(), 5)
        await http.aclose()
        server.close()

    asyncio.run(main())


def test_a_header_of_two_lines_is_refused() -> None:
    async def main() -> None:
        http = HttpClient(
            "http://127.0.0.1:1", headers={"x-a": "b\r\nx-c: d"}, secret=SECRET, silence=5.0, read_error=read_error
        )
        with pytest.raises(InvalidConfig, match="a header holds characters"):
            await http.post(PATH, BODY)

    asyncio.run(main())


def test_a_call_goes_by_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with GeminiServer([says("hi")]) as proxy:
            monkeypatch.setenv("http_proxy", proxy.base_url)
            http = client("http://nowhere.invalid")
            assert b"hi" in await http.post(PATH, BODY)
            await http.aclose()
        assert proxy.requests[0].headers["Host"] == "nowhere.invalid"

    asyncio.run(main())
