"""The secrets of a client, and what it tells without them: refusals, errors, and where a redirect leads."""

from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

import msgspec

from emonk.models.cassette.struck import UNREADABLE, strike, written_forms
from emonk.observe.redaction import STRUCK, Redactor

LEAST_SECRET = 8
"""Characters; what is shorter is a word that may stand anywhere, as in the name of a field."""

_LEAST_PART = 4
"""Characters of a secret at the end of a text that was cut; fewer tell nothing."""

_PLACE_LIMIT = 200
_LAYERS = 3  # of percent-encoding that are read


class Secrets:
    """Secret values. Where one stands, as it is, escaped or percent-encoded, `***` stands instead."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = [secret for secret in secrets if secret]
        self._redact = Redactor(_forms(known))
        self._long = _forms(secret for secret in known if len(secret) >= LEAST_SECRET)
        self._redact_long = Redactor(self._long)

    def out_of_text(self, text: str) -> str:
        """A text without them, nor the beginning of one where the text was cut."""
        text = self._redact(text)
        for form in self._long:
            for length in range(len(form) - 1, _LEAST_PART - 1, -1):
                if text.endswith(form[:length]):
                    return text[:-length] + STRUCK
        return text

    def out_of_body(self, body: bytes) -> bytes:
        """A body without them, to be read; only what holds one is written anew."""
        try:
            said = msgspec.json.decode(body)
            struck = strike(said, self._redact_long)
            return body if struck == said else msgspec.json.encode(struck)
        except UNREADABLE:
            text = body.decode(errors="surrogateescape")
            return self._redact_long(text).encode(errors="surrogateescape")

    def out_of_place(self, url: str) -> str:
        """Where a `Location` leads, without user, query and fragment; empty when it cannot be told."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return ""
        host = parts.netloc.rpartition("@")[2]
        place = (f"{parts.scheme}://{host}" if host and parts.scheme else host) + parts.path
        plain = place
        for _ in range(_LAYERS):
            plain = unquote(plain)
        if (struck := self._redact(plain)) != plain:
            place = struck
        place = self._redact(place)[:_PLACE_LIMIT]
        return place if place.isprintable() else ""


def _forms(secrets: Iterable[str]) -> list[str]:
    """As they are, as JSON writes them, and with every byte percent-encoded; `Redactor` adds what `quote` makes."""
    known = written_forms(secrets)
    encoded = ["".join(f"%{byte:02x}" for byte in each.encode(errors="surrogatepass")) for each in known]
    return [*known, *encoded, *map(str.upper, encoded)]
