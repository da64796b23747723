"""The `alerts` section of agent.yaml."""

from collections.abc import Iterable

import msgspec

from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.errors import InvalidConfig
from emonk.observe.alerts import EVERY, Alerts, check_every
from emonk.observe.webhooks import Kind, Webhook, check_url


class WebhookSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where alerts go besides the log. The URL is a secret: write `${VARIABLE}`."""

    kind: Kind
    url: str

    def __post_init__(self) -> None:
        if self.kind not in {"google_chat", "slack"}:
            raise InvalidConfig(f"{self.kind!r} is no kind of webhook", hint="write google_chat or slack")
        check_url(self.kind, self.url)

    def __repr__(self) -> str:
        return f"WebhookSection(kind={self.kind!r}, url='***')"


class AlertsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is alerted, and how often.

    `every` is the seconds in which one cause alerts once.
    """

    webhooks: list[WebhookSection] = []
    every: float = EVERY

    def __post_init__(self) -> None:
        check_every(self.every)

    def open(self, *, secrets: Iterable[str] = (), clock: Clock = SYSTEM_CLOCK) -> Alerts:
        """Alerts as the section describes them; `secrets` are values that none of them may show."""
        sinks = [Webhook(webhook.kind, webhook.url, clock=clock) for webhook in self.webhooks]
        return Alerts(sinks, every=self.every, secrets=secrets, clock=clock)
