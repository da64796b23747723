"""Alerts reach the log and both services, once per cause, never with a secret and never to the caller's harm."""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonk.errors import InvalidConfig
from emonk.observe.alerts import CAUSES, Alert, Alerts, alerting, install_alerts, raise_alert
from emonk.observe.courier import WAITING
from emonk.observe.trace import trace_context
from emonk.observe.webhooks import Kind, Webhook
from emonk.testing.clock import ManualClock
from emonk.testing.webhooks import Refusal, WebhookServer

KINDS: tuple[Kind, ...] = ("google_chat", "slack")


def alert(cause: str = "unavailable gemini", message: str = "Gemini cannot be reached") -> Alert:
    return Alert(cause, "error", message)


def lines(caplog: pytest.LogCaptureFixture, level: int = logging.ERROR) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= level]


def post(
    kind: Kind, *alerts: Alert, refusals: tuple[Refusal, ...] = (), change: Callable[[str], str] = str
) -> WebhookServer:
    """The stand-in after these alerts, each of its own cause, went to it on a clock that needs no waiting."""

    async def main() -> WebhookServer:
        clock = ManualClock()
        async with WebhookServer(kind, refusals=refusals) as server:
            watching = Alerts([Webhook(kind, change(server.url), clock=clock)], clock=clock)
            for each in alerts:
                watching.raise_alert(each)
            closing = asyncio.ensure_future(watching.aclose())
            while not closing.done():
                await asyncio.wait({closing}, timeout=0.01)
                await clock.advance(40)
            await closing
        return server

    return asyncio.run(main())


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


def test_a_cause_is_told_once_in_ten_minutes_and_then_how_often_it_was_held_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    told: list[Alert] = []

    async def main() -> None:
        alerts = Alerts([told.append], clock=clock)
        for _ in range(4):
            alerts.raise_alert(alert())
        alerts.raise_alert(alert("other"))
        await clock.advance(599.9)
        alerts.raise_alert(alert())
        await clock.advance(0.2)
        alerts.raise_alert(alert())
        await alerts.aclose()

    asyncio.run(main())
    assert [(each.cause, each.held_back) for each in told] == [
        ("unavailable gemini", 0),
        ("other", 0),
        (told[0].cause, 4),
    ]
    assert len(lines(caplog)) == 3
    assert "4 more of this cause were held back" in lines(caplog)[-1]


def test_a_flood_of_causes_stays_quiet(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    alerts = Alerts(clock=clock)
    told = [alerts.raise_alert(alert(f"cause {number}")) for number in range(CAUSES + 500)]
    assert told.count(True) == CAUSES + 1
    asyncio.run(clock.advance(600))
    assert alerts.raise_alert(alert("cause 7"))
    assert alerts.raise_alert(alert("cause 9999"))
    assert len(lines(caplog)) == CAUSES + 3


def test_the_log_gets_one_line_with_the_trace_of_the_work_at_hand(caplog: pytest.LogCaptureFixture) -> None:
    with trace_context("4bf9"):
        Alerts().raise_alert(Alert("bug", "critical", "it\nbroke\r\n\x1b"))
    (line,) = lines(caplog, logging.CRITICAL)
    assert line == "[critical] it broke \x1b | cause: bug, trace: 4bf9"


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


def test_closing_gives_up_after_its_time_and_leaves_no_task(caplog: pytest.LogCaptureFixture) -> None:
    began: list[str] = []

    async def hanging(each: Alert) -> None:
        began.append(each.cause)
        await asyncio.Event().wait()

    async def main() -> None:
        alerts = Alerts([hanging])
        for number in range(3):
            alerts.raise_alert(alert(str(number)))
        await alerts.aclose(within=0.05)
        await alerts.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert alerts.raise_alert(alert("later"))

    asyncio.run(main())
    assert began == ["0"]
    assert "hanging: 3 alerts are in this log only" in caplog.text
    assert "cause: later" in lines(caplog)[-1]


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


def test_more_than_the_queue_holds_is_in_the_log_only(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Alert] = []

    async def main() -> None:
        alerts = Alerts([told.append])
        for number in range(WAITING + 10):
            alerts.raise_alert(alert(str(number)))
        await alerts.aclose()

    asyncio.run(main())
    assert len(told) == WAITING
    assert len(lines(caplog)) == WAITING + 10
    assert caplog.text.count("is in this log only") == 10


@pytest.mark.parametrize("asynchronous", [True, False])
def test_a_sink_that_raises_harms_nobody_and_shows_no_secret(
    asynchronous: bool, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Alert] = []

    def broken(_: Alert) -> None:
        raise RuntimeError("cannot use s3cr3t-value")

    async def broken_later(_: Alert) -> None:
        raise RuntimeError("cannot use s3cr3t-value")

    async def main() -> None:
        alerts = Alerts([broken_later if asynchronous else broken, told.append], secrets=["s3cr3t-value"])
        alerts.raise_alert(alert())
        await alerts.aclose()

    asyncio.run(main())
    assert len(told) == 1
    assert "did not take an alert" in caplog.text
    assert "cannot use ***" in caplog.text
    assert "s3cr3t" not in caplog.text


def test_threads_may_alert_and_alerts_from_before_the_loop_arrive_too() -> None:
    told: list[str] = []
    alerts = Alerts([lambda each: told.append(each.cause)], clock=ManualClock())
    alerts.raise_alert(alert("before"))

    async def main() -> None:
        alerts.raise_alert(alert("inside"))
        threads = [threading.Thread(target=alerts.raise_alert, args=(alert(f"thread {n}"),)) for n in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        await alerts.aclose()

    asyncio.run(main())
    assert sorted(told) == ["before", "inside", *(f"thread {n}" for n in range(5))]


def test_a_loop_that_ended_before_all_was_brought_does_not_keep_it() -> None:
    told: list[str] = []

    async def take(each: Alert) -> None:
        if each.cause == "first" and not told:
            told.append("interrupted")
            await asyncio.Event().wait()
        told.append(each.cause)

    alerts = Alerts([take], clock=ManualClock())

    async def begin() -> None:
        alerts.raise_alert(alert("first"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(begin())
    asyncio.run(alerts.aclose())
    assert told == ["interrupted", "first"]


def test_closing_does_not_touch_what_another_loop_brings() -> None:
    told: list[str] = []
    entered, leave = threading.Event(), threading.Event()

    async def take(each: Alert) -> None:
        entered.set()
        await asyncio.to_thread(leave.wait)
        told.append(each.cause)

    alerts = Alerts([take])

    async def elsewhere() -> None:
        alerts.raise_alert(alert("first"))
        while not told:
            await asyncio.to_thread(leave.wait)

    thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
    thread.start()
    entered.wait()
    asyncio.run(alerts.aclose(within=0.05))
    leave.set()
    thread.join()
    assert told == ["first"]


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("the key is AIza-my-key!", "the key is ***!"),
        ("GET /x?q=AIza-my-key", "GET /x?q=***"),
        ("encoded a%2Fb%20c and a/b%20c", "encoded *** and ***"),
        ("https://hooks.slack.com/services/T1/B2/abc failed", "https://hooks.slack.com/services/*** failed"),
        ("https://chat.googleapis.com/v1/spaces/A/messages?key=k1&token=t2 x", "messages?key=***&token=*** x"),
        ("postgres://emonk:pass:word@db/x", "postgres://***@db/x"),
    ],
)
def test_no_secret_is_in_an_alert(message: str, shown: str, caplog: pytest.LogCaptureFixture) -> None:
    alerts = Alerts(secrets=["AIza-my", "AIza-my-key", " "])
    alerts.keep_secret("a/b c")
    alerts.raise_alert(Alert(f"cause {message}", "error", message, "", f"agent {message}"))
    assert caplog.text.count(shown.rpartition("messages?")[2]) == 3
    assert not any(secret in caplog.text for secret in ("my-key", "abc", "k1", "t2", "pass:word", "%2Fb", "b%20c"))


@settings(deadline=None)
@given(st.text(alphabet="ab&<>…\n ", max_size=40), st.text(alphabet="ab&<", min_size=1, max_size=6))
def test_no_part_of_a_secret_is_left_where_a_message_is_cut(before: str, secret: str) -> None:
    seen: list[Alert] = []

    async def main() -> None:
        alerts = Alerts([seen.append], secrets=[f"zq{secret}qz"])
        alerts.raise_alert(alert(message="y" * (2999 - len(before)) + before + f"zq{secret}qz" * 3))
        await alerts.aclose()

    asyncio.run(main())
    assert "zq" not in seen[0].message


def test_alerts_find_their_way_by_context_and_process(caplog: pytest.LogCaptureFixture) -> None:
    of_process, of_context = list[str](), list[str]()

    async def main() -> None:
        with alerting(Alerts([lambda each: of_context.append(each.cause)])) as inner:
            await asyncio.create_task(nested())
            await inner.aclose()
        raise_alert(alert("outside"))

    async def nested() -> None:
        raise_alert(alert("inside"))

    installed = Alerts([lambda each: of_process.append(each.cause)])
    before = install_alerts(installed)
    try:
        asyncio.run(main())
        asyncio.run(installed.aclose())
    finally:
        install_alerts(before)
    assert (of_context, of_process) == (["inside"], ["outside"])
    with alerting(Alerts()):
        raise_alert(alert("only the log"))
    assert "only the log" in caplog.text


@pytest.mark.parametrize("every", [0, -1.0, float("nan"), float("inf"), True, "600", pytest.param(10**400, id="huge")])
def test_senseless_intervals_are_refused(every: float | Literal["600"]) -> None:
    with pytest.raises(InvalidConfig, match=r"alerts\.every"):
        Alerts(every=every)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("secrets", ["one text", [None], None, 5])
def test_secrets_are_a_list_of_texts_lest_every_letter_be_one(secrets: object) -> None:
    make: Any = Alerts
    with pytest.raises(InvalidConfig, match="secrets"):
        make(secrets=secrets)


@pytest.mark.parametrize("sinks", ["a sink", [None], None, 5, print])
def test_sinks_are_a_list_of_functions(sinks: object) -> None:
    make: Any = Alerts
    with pytest.raises(InvalidConfig, match="sink"):
        make(sinks)


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
