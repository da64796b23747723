"""Alerts reach the log and every sink, once per cause, never with a secret and never to the caller's harm."""

import asyncio
import logging
import threading
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonk.errors import InvalidConfig
from emonk.observe.alerts import CAUSES, Alert, Alerts, alerting, install_alerts, raise_alert
from emonk.observe.courier import WAITING
from emonk.observe.trace import trace_context
from emonk.testing.clock import ManualClock
from tests.observe.raising import alert, lines


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
