"""No secret of a client is in what it tells, whole or in part, however it is written."""

import asyncio

import pytest

from emonk.errors import EmonkError
from emonk.models.anthropic.model import AnthropicModel
from emonk.models.gemini.model import GeminiModel
from emonk.models.openai.model import OpenAIModel
from emonk.models.secrets import Secrets
from tests.models.test_http_answers import Making, asked, head, serving

KEY = "k3y-Which.nobody~shall_see"
PERCENT = "".join(f"%{ord(each):02x}" for each in KEY)

ADAPTERS: dict[str, Making] = {
    "gemini": lambda url: GeminiModel("gemini-2.5-flash", api_key=KEY, base_url=url),
    "openai": lambda url: OpenAIModel("gpt-4o", api_key=KEY, base_url=url),
    "anthropic": lambda url: AnthropicModel("claude-sonnet-4-5", api_key=KEY, base_url=url),
    "openai-responses": lambda url: OpenAIModel("gpt-4o", api_key=KEY, base_url=url, api="responses"),
}
EACH = pytest.mark.parametrize("make", ADAPTERS.values(), ids=ADAPTERS)


def failing(make: Making, answer: bytes) -> EmonkError:
    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    async def main() -> EmonkError:
        async with serving(serve) as url:
            return await asked(make(url), stream=False)

    return asyncio.run(main())


@EACH
@pytest.mark.parametrize(
    ("place", "shown"),
    [
        (f"https://evil.example/{KEY}/x", "https://evil.example/***/x"),
        (f"https://evil.example/{PERCENT}/x", "https://evil.example/***/x"),
        (f"https://evil.example/{PERCENT.replace('%', '%25')}", "https://evil.example/***"),
        (f"https://u:{KEY}@evil.example:8443/", "https://evil.example:8443/"),
        (f"https://evil.example/a?k={KEY}#{KEY}", "https://evil.example/a"),
        (f"/{'x' * 190}/{KEY}", f"/{'x' * 190}/***"),
        (f"{KEY}:x", "***:x"),
        ("key.x-is_no:scheme?a", "key.x-is_no:scheme"),
        ("https://[", ""),
    ],
)
def test_a_redirect_tells_no_key(make: Making, place: str, shown: str) -> None:
    message = failing(make, head(302, "text/html", f"Location: {place}")).message
    assert message == "127.0.0.1 redirects (302)" + (f" to {shown}" if shown else "")


@EACH
@pytest.mark.parametrize("written", [KEY, PERCENT, "".join(f"\\u{ord(each):04x}" for each in KEY)])
@pytest.mark.parametrize("before", [0, 1900, 1940, 1970, 1980, 1987, 1995])
def test_no_part_of_a_key_is_told_where_a_message_is_cut(make: Making, before: int, written: str) -> None:
    said = '{"error": {"message": "' + "x" * before + " " + written + ' y", "type": "a"}}'
    message = failing(make, head(400) + said.encode()).message
    assert KEY[:5] not in message
    assert PERCENT[:9] not in message


@EACH
@pytest.mark.parametrize("before", [0, 150, 170, 175, 180, 185, 190, 195])
def test_no_part_of_a_key_is_told_where_a_text_is_cut(make: Making, before: int) -> None:
    message = failing(make, head(500, "text/plain") + ("x" * before + f" {KEY}").encode()).message
    assert KEY[:5] not in message


def test_a_body_without_secrets_stays_as_it_is() -> None:
    body = b'{"error": {"a": 1.0, "a": 2}}  '
    assert Secrets([KEY]).out_of_body(body) is body


def test_a_short_secret_does_not_change_what_a_body_means() -> None:
    assert Secrets(["error"]).out_of_body(b'{"error": 1}') == b'{"error": 1}'
    assert Secrets(["a-key"]).out_of_text("bad a-key") == "bad ***"


def test_bytes_that_are_no_text_lose_their_secrets_only() -> None:
    assert Secrets([KEY]).out_of_body(b"\xff" + KEY.encode() + b"\xfe") == b"\xff***\xfe"
