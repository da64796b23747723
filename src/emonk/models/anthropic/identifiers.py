"""Names of tools and ids of calls, as Anthropic takes them: `^[a-zA-Z0-9_-]{1,128}$` and `^[a-zA-Z0-9_-]+$`.

What becomes of one that it does not take depends on nothing but that one, so that the beginning of a conversation stays
the same from request to request.
"""

import re
from hashlib import blake2b

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_OTHERS = re.compile(r"[^a-zA-Z0-9_-]")


def sent_name(name: str) -> str:
    """The name that a tool is sent with; what is no such name becomes one of its own."""
    return name if _NAME.fullmatch(name) else f"{_OTHERS.sub('_', name)[:100]}_{_digest(name)}"


class CallIds:
    """The ids that the calls of one request are sent with: valid, and never the same for two."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of_call(self, call_id: str) -> str:
        """The id for the next call that has `call_id`."""
        sent = call_id if _ID.fullmatch(call_id) else f"call_{_digest(call_id)}"
        if sent in self._taken:
            sent = f"call_{_digest(f'{call_id} {len(self._taken)}')}"
        self._taken.add(sent)
        return sent


def _digest(text: str) -> str:
    return blake2b(text.encode(errors="surrogatepass"), digest_size=12).hexdigest()
