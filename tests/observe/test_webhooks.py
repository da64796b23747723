"""Alerts reach the webhooks of both services, at their pace and without a secret."""

import asyncio
import logging

import pytest

from emonk.observe.alerts import Alert, Alerts
from emonk.observe.webhooks import Kind, Webhook
from emonk.testing.clock import ManualClock
from emonk.testing.webhooks import Refusal, WebhookServer
from tests.observe.raising import KINDS, alert, lines, post


@pytest.mark.parametrize("kind", KINDS)
def test_an_alert_arrives_with_what_a_reader_needs(kind: Kind) -> None:
    critical = Alert("missing_credential", "critical", "no API key (set GEMINI_API_KEY)", "0af7", "weather")
    server = post(kind, critical)
    (text,) = server.texts
    assert text == "[critical] weather: no API key (set GEMINI_API_KEY)\ncause: missing_credential, trace: 0af7"


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_message_holds_calls_nobody_and_is_no_markup(kind: Kind) -> None:
    server = post(kind, alert(message="<!channel> <@U1> <users/all> a < b && c > d"))
    assert server.mentions == []
    (text,) = server.texts
    if kind == "slack":
        assert "&lt;!channel&gt; &lt;@U1&gt; &lt;users/all&gt; a &lt; b &amp;&amp; c &gt; d" in text
    else:
        assert "a < b && c > d" in text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("character", ["x", "&", "<b", "é", "\U0001f600", "\ud800", "\x00"])
def test_a_long_message_is_cut_to_what_the_service_takes(kind: Kind, character: str) -> None:
    server = post(kind, alert(message=character * 50_000))
    (text,) = server.texts
    assert server.refused == []
    assert 1000 < len(text) <= 4000
    assert text.rstrip().endswith(("…", "\ncause: unavailable gemini"))
    if kind == "slack":
        assert text.count("&") == text.count(";")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("refusals", "requests", "taken"),
    [
        ((Refusal(503),), 2, 1),
        ((Refusal(500), Refusal(500)), 2, 0),
        ((Refusal(429, "rate_limited", {"Retry-After": "20"}),), 2, 1),
        ((Refusal(429, "rate_limited", {"Retry-After": "3600"}),), 1, 0),
        ((Refusal(404, "no_service"),), 1, 0),
        ((Refusal(302, "", {"Location": "/elsewhere"}),), 1, 0),
    ],
)
def test_a_refusal_is_tried_once_more_where_that_may_help_and_logged(
    kind: Kind, refusals: tuple[Refusal, ...], requests: int, taken: int, caplog: pytest.LogCaptureFixture
) -> None:
    server = post(kind, alert(), refusals=refusals)
    assert (server.requests, len(server.texts)) == (requests, taken)
    warnings = [line for line in lines(caplog, logging.WARNING) if "did not take" in line]
    assert len(warnings) == 1 - taken
    assert all(f"{kind} webhook at 127.0.0.1 did not take an alert: {refusals[0].status}" in line for line in warnings)


def test_a_hint_is_waited_for() -> None:
    async def main() -> None:
        clock = ManualClock()
        async with WebhookServer("slack", refusals=[Refusal(429, "", {"Retry-After": "20"})]) as server:
            sending = asyncio.ensure_future(Webhook("slack", server.url, clock=clock)(alert()))
            await clock.wait_for_sleepers()
            assert clock.slept == [20.0]
            await clock.advance(20)
            await sending
            assert server.requests == 2

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_secret_is_refused_and_never_logged(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = post(kind, alert(), change=lambda url: url + "0")
    assert server.texts == []
    assert [refusal.status for refusal in server.refused] == [403]
    assert not any(secret in caplog.text for secret in server.secrets)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_echoed_back_shows_no_secret(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> tuple[str, ...]:
        async with WebhookServer(kind) as server:
            server.url += "&x=1" if kind == "google_chat" else ""
            hook = Webhook(kind, server.url)
            echoing = WebhookServer(kind, refusals=[Refusal(400, f"cannot post {server.url}: {hook.secrets}")])
            async with echoing:
                port = echoing.url.split(":")[2].split("/")[0]
                path = server.url.split("/", 3)[3]
                await Webhook(kind, f"http://127.0.0.1:{port}/{path}")(alert())
            return server.secrets

    secrets = asyncio.run(main())
    assert "cannot post" in caplog.text
    assert not any(secret in caplog.text for secret in secrets)


def test_a_webhook_that_is_not_there_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> str:
        async with WebhookServer("slack") as server:
            url = server.url
        clock = ManualClock()
        sending = asyncio.ensure_future(Webhook("slack", url, clock=clock)(alert()))
        await clock.wait_for_sleepers()
        await clock.advance(2)
        await sending
        return url

    url = asyncio.run(main())
    assert "slack webhook at 127.0.0.1 did not take an alert" in caplog.text
    assert url.rpartition("/")[2] not in caplog.text


def test_a_silent_webhook_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def main() -> None:
        silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        async with silent:
            port = silent.sockets[0].getsockname()[1]
            clock = ManualClock()
            hook = Webhook("slack", f"http://127.0.0.1:{port}/services/T/B/verysecret", timeout=0.05, clock=clock)
            sending = asyncio.ensure_future(hook(alert()))
            await clock.wait_for_sleepers()
            await clock.advance(2)
            await sending

    asyncio.run(main())
    assert "did not take an alert: " in caplog.text


def test_alerts_keep_the_pace_of_the_service_and_closing_does_not_wait_for_it() -> None:
    async def main() -> None:
        clock = ManualClock()
        async with WebhookServer("google_chat", clock=clock) as server:
            alerts = Alerts([Webhook("google_chat", server.url, clock=clock)], clock=clock)
            for number in range(3):
                alerts.raise_alert(alert(str(number)))
            for taken in (1, 2, 3):
                while len(server.texts) < taken:
                    await asyncio.sleep(0)
                    if clock.sleepers:
                        await clock.advance(1)
            assert server.refused == []
            alerts.raise_alert(alert("last"))
            await asyncio.wait_for(alerts.aclose(within=0.5), 5)

    asyncio.run(main())


def test_the_token_of_a_slack_webhook_is_a_secret_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    webhook = Webhook("slack", "https://hooks.slack.com/services/T0000/B0000/abcdefghijklmnop")
    Alerts([webhook]).raise_alert(alert(message="posting with abcdefghijklmnop failed"))
    assert "posting with *** failed" in caplog.text


def test_a_short_part_of_an_address_is_no_secret_lest_words_be_struck() -> None:
    assert Webhook("slack", "http://127.0.0.1:1/hook").secrets == ("hook",)
    assert Webhook("slack", "https://chat.example.com/hooks/in").secrets == ("hooks/in",)


def test_what_a_webhook_answers_cannot_write_to_the_terminal(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        refusal = Refusal(404, "gone\x1b[2J\x00 for good")
        async with WebhookServer("slack", refusals=[refusal]) as server:
            await Webhook("slack", server.url)(alert())

    asyncio.run(main())
    assert lines(caplog, logging.WARNING)[-1].endswith("404 gone [2J for good")
