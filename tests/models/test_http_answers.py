"""What answers over HTTP instead of a provider, and answers without measure: one clear error, and memory has an end."""

import asyncio
import datetime as dt
import gzip
import ipaddress
import os
import ssl
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from emonk.errors import EmonkError, InvalidConfig, Unavailable
from emonk.messages import user
from emonk.models.answers import ANSWER_LIMIT
from emonk.models.anthropic.model import AnthropicModel
from emonk.models.gemini.model import GeminiModel
from emonk.models.openai.model import OpenAIModel
from emonk.models.protocol import Model, ModelRequest
from emonk.testing.answers import Chunks, Raw
from emonk.testing.gemini import GeminiServer
from emonk.testing.gemini_answers import says

ASKING = ModelRequest([user("hi")])
PAGE = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body>Log in</body></html>"
NO_UTF_8 = b'{"type": "message", "id": "\xff", "responseId": "\xff"}'
Serving = Callable[[asyncio.StreamWriter], Awaitable[None]]
Making = Callable[[str], Model]

ADAPTERS: dict[str, Making] = {
    "gemini": lambda url: GeminiModel("gemini-2.5-flash", api_key="a-key", base_url=url),
    "openai": lambda url: OpenAIModel("gpt-4o", api_key="a-key", base_url=url),
    "anthropic": lambda url: AnthropicModel("claude-sonnet-4-5", api_key="a-key", base_url=url),
    "openai-responses": lambda url: OpenAIModel("gpt-4o", api_key="a-key", base_url=url, api="responses"),
}
EACH = pytest.mark.parametrize("make", ADAPTERS.values(), ids=ADAPTERS)


@asynccontextmanager
async def serving(serve: Serving, tls: ssl.SSLContext | None = None) -> AsyncGenerator[str]:
    """A server of one answer for each connection."""
    done: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        done.add(asyncio.current_task())  # pyright: ignore[reportArgumentType]
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        try:
            await serve(writer)
            await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.gather(*done, return_exceptions=True)


def head(status: int = 200, kind: str = "application/json", *more: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Word", f"Content-Type: {kind}", "Connection: close", *more]
    return "\r\n".join([*lines, "", ""]).encode()


async def asked(model: Model, *, stream: bool) -> EmonkError:
    with pytest.raises(EmonkError) as caught:
        await (whole(model) if stream else model.generate(ASKING))
    await model.aclose()
    return caught.value


async def whole(model: Model) -> list[object]:
    return [piece async for piece in model.stream(ASKING)]


def failing(make: Making, answer: bytes, *, stream: bool = False) -> EmonkError:
    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    async def main() -> EmonkError:
        async with serving(serve) as url:
            return await asked(make(url), stream=stream)

    return asyncio.run(main())


@EACH
@pytest.mark.parametrize("stream", [False, True])
def test_a_web_page_with_200_is_told_as_one(make: Making, stream: bool) -> None:
    error = failing(make, head(kind="text/html") + PAGE, stream=stream)
    assert (type(error), error.code) == (Unavailable, "malformed_body")
    assert "a web page answered instead of the API" in error.hint


@EACH
@pytest.mark.parametrize("status", [400, 404, 405])
def test_a_web_page_with_a_refusal_points_to_the_address(make: Making, status: int) -> None:
    error = failing(make, head(status, "text/html") + PAGE)
    assert type(error) is InvalidConfig
    assert "a web page answered instead of the API" in error.hint


@EACH
def test_a_failing_proxy_is_a_failure_of_the_server(make: Making) -> None:
    error = failing(make, head(502, "text/html") + PAGE)
    assert (type(error), "web page" in error.hint) == (Unavailable, False)


@EACH
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [200, 204])
def test_an_empty_answer(make: Making, stream: bool, status: int) -> None:
    error = failing(make, head(status, "application/json", "Content-Length: 0"), stream=stream)
    assert (type(error), error.code) == (Unavailable, "malformed_body")


@EACH
def test_an_empty_answer_says_so(make: Making) -> None:
    assert "sent an empty answer (200)" in failing(make, head()).message


@EACH
@pytest.mark.parametrize("stream", [False, True])
def test_a_redirect_tells_where_to_without_its_query(make: Making, stream: bool) -> None:
    error = failing(make, head(302, "text/html", "Location: https://login.example/in?key=a-key"), stream=stream)
    assert type(error) is InvalidConfig
    assert error.message == "127.0.0.1 redirects (302) to https://login.example/in"


@EACH
@pytest.mark.parametrize("body", [NO_UTF_8, b"\xff\xfe{}", b"\x00" * 100, b"null", b"[]", b"12"])
def test_bytes_that_are_no_json(make: Making, body: bytes) -> None:
    error = failing(make, head() + body)
    assert (type(error), error.code) == (Unavailable, "malformed_body")


@EACH
def test_a_stream_of_bytes_that_are_no_utf_8(make: Making) -> None:
    error = failing(make, head(kind="text/event-stream") + b"data: " + NO_UTF_8 + b"\n\n", stream=True)
    assert (type(error), error.code) == (Unavailable, "malformed_body")


def test_thirty_megabytes_are_read() -> None:
    async def main() -> None:
        text = "x" * 30_000_000
        async with GeminiServer([says(text)]) as server:
            model = ADAPTERS["gemini"](server.base_url)
            assert (await model.generate(ASKING)).text == text
            await model.aclose()

    asyncio.run(main())


async def endlessly(writer: asyncio.StreamWriter, piece: bytes) -> None:
    while True:
        writer.write(piece)
        await writer.drain()


@EACH
@pytest.mark.parametrize(
    ("stream", "kind", "piece"),
    [
        (False, "application/json", b" " * 1_000_000),
        (True, "text/event-stream", b": nothing%b\n" % (b" " * 100_000)),
        (True, "text/event-stream", b"data: x" * 150_000),
    ],
    ids=["body", "lines", "one line"],
)
def test_an_answer_without_end_is_given_up_and_not_asked_for_again(
    make: Making, stream: bool, kind: str, piece: bytes
) -> None:
    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(head(kind=kind))
        await endlessly(writer, piece)

    async def main() -> EmonkError:
        async with serving(serve) as url:
            return await asked(make(url), stream=stream)

    error = asyncio.run(main())
    assert isinstance(error, Unavailable)
    assert (error.code, error.final) == ("too_large", True)
    assert "more than 64 MiB" in error.message


def test_the_caller_s_deadline_ends_a_stream_that_goes_on() -> None:
    async def main() -> None:
        beat = Chunks([b'data: {"candidates": [{"content": {"parts": [{"text": "x"}]}}]}\n\n'] * 100_000)
        async with GeminiServer([beat]) as server:
            model = ADAPTERS["gemini"](server.base_url)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(whole(model), 0.05)
            await model.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("stream", [False, True])
def test_what_unpacks_to_hundreds_of_megabytes_stays_small_in_memory(stream: bool) -> None:
    bomb = gzip.compress(b" " * 300_000_000, 6)
    kind = "text/event-stream" if stream else "application/json"

    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(head(200, kind, "Content-Encoding: gzip", f"Content-Length: {len(bomb)}") + bomb)

    async def main() -> EmonkError:
        async with serving(serve) as url:
            return await asked(ADAPTERS["gemini"](url), stream=stream)

    tracemalloc.start()
    try:
        error = asyncio.run(main())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert error.code == "too_large"
    assert peak < 3 * ANSWER_LIMIT


def test_packed_answers_are_read() -> None:
    async def main() -> None:
        body = b'{"candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}]}'
        async with GeminiServer([Raw(gzip.compress(body), headers={"Content-Encoding": "gzip"})]) as server:
            model = ADAPTERS["gemini"](server.base_url)
            assert (await model.generate(ASKING)).text == "hi"
            await model.aclose()

    asyncio.run(main())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for 127.0.0.1 that nobody else has signed, with its key in the same file."""
    from cryptography import x509  # noqa: PLC0415 - of the fixture only
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - as above

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stand-in")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(made.public_bytes(pem) + secret)
    return path


def trusted_by_nobody(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def answers(writer: asyncio.StreamWriter) -> None:
    writer.write(head() + b'{"candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}]}')


def test_a_certificate_that_nobody_signed_is_told_with_what_to_do(certificate: Path) -> None:
    async def main() -> EmonkError:
        async with serving(answers, trusted_by_nobody(certificate)) as url:
            return await asked(ADAPTERS["gemini"](url), stream=False)

    error = asyncio.run(main())
    assert (type(error), error.code) == (Unavailable, "tls")
    assert "no trusted connection to 127.0.0.1" in error.message
    assert "self-signed certificate" in error.message
    assert "SSL_CERT_FILE" in error.hint


CALL = """
import asyncio, sys
from emonk.messages import user
from emonk.models.gemini.model import GeminiModel
from emonk.models.protocol import ModelRequest

async def main():
    model = GeminiModel("m", api_key="a-key", base_url=sys.argv[1])
    print((await model.generate(ModelRequest([user("hi")]))).text)
    await model.aclose()

asyncio.run(main())
"""


def test_the_file_that_the_hint_names_makes_it_trusted(certificate: Path) -> None:
    async def main() -> str:
        async with serving(answers, trusted_by_nobody(certificate)) as url:
            environment = {**os.environ, "SSL_CERT_FILE": str(certificate)}
            command = [sys.executable, "-c", CALL, url]
            run = await asyncio.to_thread(
                subprocess.run, command, env=environment, capture_output=True, text=True, check=False, timeout=60
            )
            return run.stdout + run.stderr

    assert asyncio.run(main()) == "hi\n"
