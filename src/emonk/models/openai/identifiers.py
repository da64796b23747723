"""Names of tools and ids of calls, as OpenAI takes them."""

import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b

from emonk.ids import uuid7
from emonk.messages import AssistantMessage, ToolCall

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_SENT = re.compile(r"[a-zA-Z0-9_-]{1,40}")
_GIVEN = re.compile(r"[!-~]{1,64}")


def tool_name(name: str) -> str:
    """A tool's name as OpenAI takes it, `^[a-zA-Z0-9_-]{1,64}$`; what is no such name becomes one of its own."""
    if _NAME.fullmatch(name):
        return name
    return f"{_NOT_IN_NAMES.sub('_', name)[:55]}_{_digest(name, 4)}"


def original_names(names: Iterable[str]) -> Mapping[str, str]:
    """What the names of tools were that `tool_name` changed."""
    return {sent: name for name in names if (sent := tool_name(name)) != name}


def new_call_id() -> str:
    """An id for a call that came without one: 37 characters, of the 40 that OpenAI takes."""
    return f"call_{uuid7().replace('-', '')}"


class CallIds:
    """Ids of the calls of one request, the same for a call and its result, and never the same for two calls.

    What a server gave goes back to it as it was; what came from elsewhere, and OpenAI would not take, becomes an id
    that depends on nothing but itself, so that the beginning of a conversation stays the same in every request.
    """

    def __init__(self, provider: str, *, strict: bool) -> None:
        """Make ids for a server.

        Args:
            provider: whose messages came from it.
            strict: even its own ids are held to 40 characters, as by OpenAI's chat completions.
        """
        self._provider = provider
        self._given = _SENT if strict else _GIVEN
        self._taken: set[str] = set()
        self._open: dict[str, str] = {}

    def of_calls(self, message: AssistantMessage) -> None:
        """Take note of a message's calls, before `of` is asked for them and for their results."""
        allowed = self._given if message.provider == self._provider else _SENT
        for part in message.parts:
            if isinstance(part, ToolCall):
                self._add(part.id, allowed)

    def of(self, call_id: str) -> str:
        """The id that a call of the latest messages is sent with."""
        return self._open.get(call_id) or self._valid(call_id, _SENT)

    def _add(self, call_id: str, allowed: re.Pattern[str]) -> None:
        sent = self._valid(call_id, allowed)
        if sent in self._taken:
            sent = f"call_{_digest(f'{call_id} {len(self._taken)}', 12)}"
        self._taken.add(sent)
        self._open[call_id] = sent

    def _valid(self, call_id: str, allowed: re.Pattern[str]) -> str:
        return call_id if allowed.fullmatch(call_id) else f"call_{_digest(call_id, 12)}"


def _digest(text: str, size: int) -> str:
    return blake2b(text.encode(errors="surrogatepass"), digest_size=size).hexdigest()
