"""Alerts to Google Chat and Slack, by the incoming webhooks that both offer: a POST of `{"text": ...}`.

Sources. Slack: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks (the errors, `ok`),
https://docs.slack.dev/messaging/formatting-message-text (`&`, `<` and `>` are written as entities), 40,000 characters
and better 4,000, one message a second, `Retry-After` with a 429. Google Chat:
https://developers.google.com/workspace/chat/quickstart/webhooks (`key` and `token`, UTF-8), 4,096 characters and 32,000
bytes, one message a second for all webhooks of a space.
"""

import logging
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qs, urlsplit

import msgspec

from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.errors import InvalidConfig
from emonk.observe.alerts import Alert
from emonk.observe.redaction import Redactor

if TYPE_CHECKING:
    from aiohttp import ClientResponse

TIMEOUT = 10.0
"""Seconds for one attempt."""

TEXT_LIMIT = 4000
"""UTF-16 units of a text; both services take that many, however they count."""

FIRST_WAIT, LONGEST_WAIT = 2.0, 30.0
"""Seconds before the second and last attempt; a service that asks for more than the longest is not asked again."""

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

Kind = Literal["google_chat", "slack"]

_SAID_LIMIT = 300  # bytes of a refusal that are of interest
_TOKEN_LENGTH = 8  # characters: what is shorter may be a word, and stand in any text
_log = logging.getLogger("emonk.alerts")


class _Failed(Exception):
    """An attempt came to nothing; `wait` seconds later another one may do better, unless that is None."""

    def __init__(self, said: str, wait: float | None) -> None:
        super().__init__(said)
        self.wait = wait


class Webhook:
    """A sink that posts to one webhook, twice at most, and logs when that fails; no redirect is followed.

    Attributes:
        name: for the log: its kind and host, without what is secret in the URL.
        secrets: the parts of the URL by which anybody could post.
    """

    def __init__(self, kind: Kind, url: str, *, timeout: float = TIMEOUT, clock: Clock = SYSTEM_CLOCK) -> None:
        """Post to `url`.

        Raises:
            InvalidConfig: the URL cannot be one of this kind.
        """
        self.secrets = check_url(kind, url)
        self.name = f"{kind} webhook at {urlsplit(url).hostname}"
        self._escape = _ESCAPES[kind]
        self._url = url
        self._timeout = timeout
        self._clock = clock
        self._redact = Redactor((url, *self.secrets))

    def __repr__(self) -> str:
        return f"<{self.name}>"

    async def __call__(self, alert: Alert) -> None:
        """Post the alert; what goes wrong is logged."""
        body = msgspec.json.encode({"text": fit(alert.text(), self._escape)})
        try:
            await self._post(body)
        except _Failed as failed:
            if failed.wait is None:
                self._give_up(failed)
                return
            await self._clock.sleep(failed.wait)
            try:
                await self._post(body)
            except _Failed as again:
                self._give_up(again)

    def _give_up(self, failed: _Failed) -> None:
        _log.warning("%s did not take an alert: %s", self.name, self._redact(str(failed)))

    async def _post(self, body: bytes) -> None:
        from urllib.request import getproxies  # noqa: PLC0415 - alerts are rare, and these imports slow

        from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar  # noqa: PLC0415 - as above
        from yarl import URL  # noqa: PLC0415 - as above

        proxies = urlsplit(self._url).hostname not in LOOPBACK and bool(getproxies())
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "emonk"}
        try:
            async with (
                ClientSession(
                    cookie_jar=DummyCookieJar(), timeout=ClientTimeout(total=self._timeout), trust_env=proxies
                ) as session,
                session.post(URL(self._url, encoded=True), data=body, headers=headers, allow_redirects=False) as answer,
            ):
                if 200 <= answer.status < 300:
                    return
                failure = _refusal(answer.status, answer.headers, await _said(answer))
        except (ClientError, OSError, TimeoutError) as error:
            failure = _Failed(str(error) or type(error).__name__, FIRST_WAIT)
        # Raised out here, so that no context leads to the request and its URL.
        raise failure


def check_url(kind: Kind, url: str) -> tuple[str, ...]:
    """The secret parts of a webhook's URL.

    Raises:
        InvalidConfig: it is none; the message does not show it.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except (ValueError, TypeError, AttributeError):
        raise InvalidConfig(f"the url of a {kind} webhook cannot be read") from None
    if not url.isascii() or not url.isprintable() or " " in url or not host or parts.username is not None:
        raise InvalidConfig(f"the url of a {kind} webhook is none", hint="copy it as the service shows it")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
        raise InvalidConfig(f"the url of the {kind} webhook at {host} does not begin with https://")
    if kind == "slack":
        if not parts.path.strip("/"):
            raise InvalidConfig(f"the url of the slack webhook at {host} has no path", hint="copy it as Slack shows it")
        path = parts.path.strip("/")
        token = path.rpartition("/")[2]
        return (path, token) if len(token) >= _TOKEN_LENGTH and token != path else (path,)
    query = parse_qs(parts.query)
    if not (query.get("key") and query.get("token")):
        hint = "copy it as Google Chat shows it, with key and token"
        raise InvalidConfig(f"the url of the google_chat webhook at {host} is not whole", hint=hint)
    return (query["key"][0], query["token"][0])


def fit(text: str, escape: Callable[[str], str]) -> str:
    """The text escaped, and cut where it would be longer than both services allow."""
    escaped = escape(text)
    while _units(escaped) > TEXT_LIMIT:
        # Cut before escaping, since half an entity would be shown as it is.
        text = text[: max(1, len(text) * TEXT_LIMIT // (_units(escaped) + 16))]
        escaped = escape(text + "…")
    return escaped


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2


def _for_slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _for_google_chat(text: str) -> str:
    """Google Chat has no entities; a zero-width space keeps `<users/all>` from calling everybody."""
    return re.sub(r"<(?=\S)", "<\u200b", text)


_ESCAPES: Mapping[Kind, Callable[[str], str]] = {"slack": _for_slack, "google_chat": _for_google_chat}


async def _said(answer: "ClientResponse") -> str:
    said = (await answer.content.read(_SAID_LIMIT)).decode(errors="replace")
    return " ".join("".join(each if each.isprintable() else " " for each in said).split())


def _refusal(status: int, headers: Mapping[str, str], said: str) -> _Failed:
    """Try again what may pass later: 429 not before its hint, and failures of the service itself."""
    hint = headers.get("Retry-After", "")
    wait = float(hint) if hint.isascii() and hint.isdigit() and len(hint) < 9 else FIRST_WAIT
    again = (status == 429 or status >= 500) and wait <= LONGEST_WAIT
    return _Failed(f"{status} {said}".strip(), max(wait, FIRST_WAIT) if again else None)
