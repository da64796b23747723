"""The stand-ins of the webhooks refuse what the services refuse."""

import asyncio

import aiohttp
import pytest

from emonk.testing.clock import ManualClock
from emonk.testing.webhooks import WebhookServer

JSON = "application/json"


async def answer(url: str, body: bytes, content_type: str = JSON) -> tuple[int, str]:
    headers = {"Content-Type": content_type}
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as response:
        return response.status, await response.text()


@pytest.mark.parametrize(
    ("body", "content_type", "status", "said"),
    [
        (b'{"text": "hi"}', JSON, 200, "ok"),
        (b'{"text": "hi"}', "text/plain", 400, "invalid_payload"),
        (b"{", JSON, 400, "invalid_payload"),
        (b"[]", JSON, 400, "invalid_payload"),
        (b'{"text": " "}', JSON, 400, "no_text"),
        (b"{}", JSON, 400, "no_text"),
    ],
)
def test_slack(body: bytes, content_type: str, status: int, said: str) -> None:
    async def main() -> None:
        async with WebhookServer("slack") as server:
            assert await answer(server.url, body, content_type) == (status, said)
            assert (len(server.texts), len(server.refused)) == ((1, 0) if status == 200 else (0, 1))

    asyncio.run(main())


@pytest.mark.parametrize(
    ("body", "content_type", "status", "said"),
    [
        (b'{"text": "hi"}', f"{JSON}; charset=UTF-8", 200, "spaces/AAAA/messages"),
        (b'{"text": "hi"}', "text/plain", 400, "Invalid JSON payload"),
        (b'{"text": "hi", "mrkdwn": false}', JSON, 400, "Invalid JSON payload"),
        (b'{"text": ""}', JSON, 400, "cannot be empty"),
        (b'{"text": "' + b"x" * 4096 + b'"}', JSON, 200, ""),
        (b'{"text": "' + b"x" * 4097 + b'"}', JSON, 400, "longer than 4096"),
    ],
)
def test_google_chat(body: bytes, content_type: str, status: int, said: str) -> None:
    async def main() -> None:
        async with WebhookServer("google_chat") as server:
            found = await answer(server.url, body, content_type)
            assert found[0] == status
            assert said in found[1]

    asyncio.run(main())


def test_a_url_without_its_secrets_is_refused() -> None:
    async def main() -> None:
        async with WebhookServer("google_chat") as chat, WebhookServer("slack") as slack:
            base = chat.url.partition("?")[0]
            key, token = chat.url.partition("?")[2].split("&")
            assert (await answer(f"{base}?{token}", b'{"text": "x"}'))[0] == 400
            assert (await answer(f"{base}?{key}", b'{"text": "x"}'))[0] == 403
            assert (await answer(base.replace("/v1", ""), b'{"text": "x"}'))[0] == 404
            assert await answer(slack.url[:-1], b'{"text": "x"}') == (403, "invalid_token")
            assert await answer(slack.url.replace("services", "x"), b'{"text": "x"}') == (404, "no_service")

    asyncio.run(main())


def test_mentions_and_a_second_message_within_a_second_are_noticed() -> None:
    async def main() -> None:
        clock = ManualClock()
        async with WebhookServer("slack", clock=clock) as server:
            assert await answer(server.url, b'{"text": "<!channel> hi"}') == (200, "ok")
            assert await answer(server.url, b'{"text": "hi"}') == (429, "rate_limited")
            await clock.advance(1)
            assert await answer(server.url, b'{"text": "hi"}') == (200, "ok")
            assert server.mentions == ["<!channel>"]

    asyncio.run(main())
