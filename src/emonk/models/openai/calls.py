"""Tool calls as they come together from the pieces of an answer."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from emonk.messages import ToolCall
from emonk.models.fields import as_object, as_text
from emonk.models.openai.identifiers import new_call_id
from emonk.models.protocol import ToolCallDelta
from emonk.models.surrogates import decoded

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class PendingCall:
    """One call: its arguments are text that is read when all of it is there."""

    def __init__(self, index: int, identifier: str, name: str, signature: str | None = None) -> None:
        """Begin a call.

        Args:
            index: which call of the answer.
            identifier: as the server gave it; one is made up when it is empty.
            name: of the tool.
            signature: what the call is sent back with.
        """
        self.index = index
        self.given = identifier
        self.id = identifier or new_call_id()
        self.name = name
        self.signature = signature
        self._arguments: list[str] = []
        self._told = False

    @property
    def arguments(self) -> str:
        return "".join(self._arguments)

    def add(self, arguments: str, names: Mapping[str, str]) -> ToolCallDelta | None:
        """Take in more of the arguments, and say so; None when that says nothing new."""
        if arguments:
            self._arguments.append(arguments)
        if self._told:
            return ToolCallDelta(self.index, arguments) if arguments else None
        if not self.name:
            return None
        self._told = True
        return ToolCallDelta(self.index, self.arguments, names.get(self.name, self.name), self.id)

    def read(self, names: Mapping[str, str], *, cut: bool) -> ToolCall:
        """The call as a whole; `cut` says that its arguments may have been cut off."""
        name = names.get(self.name, self.name)
        arguments, malformed = read_arguments(self.arguments)
        if cut and not self.arguments.strip():
            malformed = ""
        return ToolCall(self.id, name, arguments, self.signature, malformed)


def read_arguments(text: str) -> tuple[dict[str, Any], str | None]:
    """The arguments in a text, and the text itself if it holds none that can be read; no text means no arguments."""
    if not text.strip():
        return {}, None
    try:
        found = decoded(_decode, text.encode())
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return {}, text
    return (as_object(found), None) if isinstance(found, dict) else ({}, text)


def arguments_text(value: Any) -> str:
    """Arguments as text, also where a server gives them as the object that they should describe."""
    if value is None or isinstance(value, str):
        return as_text(value)
    return _encode(value).decode()


def read_calls(pending: Iterable[PendingCall], names: Mapping[str, str], *, cut: bool) -> list[ToolCall]:
    """The calls that have a name, each with an id of its own; the last one is the one that a limit may have cut off."""
    named = [call for call in pending if call.name]
    taken: set[str] = set()
    for call in named:
        if call.id in taken:
            call.id = new_call_id()
        taken.add(call.id)
    return [call.read(names, cut=cut and call is named[-1]) for call in named]
