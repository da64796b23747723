"""Strikes secrets out of text that people will read: known values, and whatever has the shape of a key in a URL."""

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

STRUCK = "***"

# Patterns, compiled when they are first used.
_SHAPES = (
    (r"(?i)(\bhooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/)[^\s\"'<>]+", r"\1" + STRUCK),
    (r"(?i)([?&](?:key|token|api_key|access_token|sig|signature)=)[^&#\s\"'<>]+", r"\1" + STRUCK),
    (r"(://)[^/\s@\"'<>]{1,500}@", r"\1" + STRUCK + "@"),
)


class Redactor:
    """Knows secret values. Where one stands in a text, as it is or percent-encoded, `***` stands instead."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: tuple[str, ...] = ()
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Know these values too; blank ones are no secrets."""
        forms = {form for secret in secrets if secret.strip() for form in _forms(secret)}
        # The longest first: a secret may be a part of another.
        self._known = tuple(sorted(forms.union(self._known), key=len, reverse=True))

    def __call__(self, text: str) -> str:
        for secret in self._known:
            text = text.replace(secret, STRUCK)
        for shape, instead in _SHAPES:
            text = re.sub(shape, instead, text)
        return text


def _forms(secret: str) -> tuple[str, ...]:
    encodable = secret.encode(errors="surrogatepass")
    return secret, quote(encodable), quote(encodable, safe=""), quote_plus(encodable)
