"""What the tests of alerts share."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from emonk.observe.alerts import Alert, Alerts
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
