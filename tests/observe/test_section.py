"""The `alerts` section: what is wrong is said at load, and a webhook's URL is never shown."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from emonk.config import load
from emonk.errors import InvalidConfig
from emonk.observe.alerts import Alert
from emonk.observe.section import AlertsSection, WebhookSection
from emonk.testing.webhooks import WebhookServer

SLACK = "https://hooks.slack.com/services/T000/B000/verysecret"
CHAT = "https://chat.googleapis.com/v1/spaces/AAAA/messages?key=verysecret&token=verysecret2"


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alerts: AlertsSection = AlertsSection()


def read(tmp_path: Path, text: str, **env: str) -> AlertsSection:
    path = tmp_path / "agent.yaml"
    path.write_text(text)
    return load(path, File, env=env).alerts


def test_a_section_names_webhooks_and_the_interval(tmp_path: Path) -> None:
    text = """
alerts:
  every: 60
  webhooks:
    - kind: slack
      url: ${SLACK_WEBHOOK}
    - {kind: google_chat, url: "${CHAT_WEBHOOK}"}
"""
    section = read(tmp_path, text, SLACK_WEBHOOK=SLACK, CHAT_WEBHOOK=CHAT)
    assert section == AlertsSection([WebhookSection("slack", SLACK), WebhookSection("google_chat", CHAT)], 60.0)
    assert "secret" not in repr(section)


def test_without_a_section_alerts_go_to_the_log_every_ten_minutes(tmp_path: Path) -> None:
    assert read(tmp_path, "alerts: {}") == AlertsSection([], 600.0)


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("slack", "http://hooks.slack.com/services/T/B/verysecret"),
        ("slack", "ftp://127.0.0.1/verysecret"),
        ("slack", "verysecret"),
        ("slack", "https://hooks.slack.com/"),
        ("slack", "https://hooks.slack.com/services/very secret"),
        ("slack", "https://hooks.slack.com/services/verysécret"),
        ("slack", "https://user:verysecret@hooks.slack.com/services/T/B/x"),
        ("slack", "https://hooks.slack.com:99999999/verysecret"),
        ("slack", "https://[verysecret/x"),
        ("slack", ""),
        ("google_chat", "https://chat.googleapis.com/v1/spaces/A/messages?key=verysecret"),
        ("google_chat", "https://chat.googleapis.com/v1/spaces/A/messages?token=verysecret"),
        ("google_chat", "https://chat.googleapis.com/v1/spaces/A/messages?key=&token=verysecret"),
        ("google_chat", SLACK),
    ],
)
def test_a_url_that_cannot_work_is_refused_without_being_shown(tmp_path: Path, kind: str, url: str) -> None:
    text = f"alerts:\n  webhooks:\n    - kind: {kind}\n      url: '{url}'\n"
    with pytest.raises(InvalidConfig, match=r"agent\.yaml:\d: alerts.*: the url of") as caught:
        read(tmp_path, text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("alerts: {every: 0}", r"alerts\.every: is 0"),
        ("alerts: {every: .nan}", r"alerts\.every: is nan"),
        ("alerts: {every: no}", "must be a number, not text"),
        ("alerts: {webhooks: [{kind: teams, url: x}]}", "kind: must be google_chat or slack|kind"),
        ("alerts: {webhooks: [{kind: slack}]}", "url: is missing"),
        ("alerts: {hooks: []}", "hooks: is no known key"),
    ],
)
def test_what_is_wrong_is_said_at_load(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidConfig, match=said):
        read(tmp_path, text)


def test_a_section_opens_alerts_that_reach_its_webhooks() -> None:
    async def main() -> None:
        async with WebhookServer("slack") as slack, WebhookServer("google_chat") as chat:
            webhooks = [WebhookSection("slack", slack.url), WebhookSection("google_chat", chat.url)]
            alerts = AlertsSection(webhooks).open(secrets=["sesame"])
            alerts.raise_alert(Alert("c", "error", f"sesame does not open {slack.url} and {chat.url}"))
            await alerts.aclose()
            (text,) = chat.texts
            assert slack.texts == [text.replace("&", "&amp;")]
            assert text.count("***") == 4
            assert not any(secret in text for secret in (*slack.secrets, *chat.secrets, "sesame"))

    asyncio.run(main())


def test_a_kind_that_is_none_is_refused_in_code_too() -> None:
    with pytest.raises(InvalidConfig, match="'teams' is no kind"):
        WebhookSection("teams", SLACK)  # pyright: ignore[reportArgumentType]
