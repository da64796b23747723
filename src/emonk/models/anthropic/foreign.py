"""Blocks of Anthropic's own that go back as they came: thinking that is not shown, and what its servers' tools did."""

from collections.abc import Iterable, Mapping
from typing import Any

from emonk.models.fields import as_text

Json = dict[str, Any]

THOUGHTS = frozenset({"thinking", "redacted_thinking"})

SERVER_CALL = "server_tool_use"

_FIELDS: Mapping[str, tuple[str, type | tuple[type, ...]]] = {
    "redacted_thinking": ("data", str),
    SERVER_CALL: ("input", dict),
    "bash_code_execution_tool_result": ("content", dict),
    "code_execution_tool_result": ("content", dict),
    "text_editor_code_execution_tool_result": ("content", dict),
    "tool_search_tool_result": ("content", dict),
    "web_fetch_tool_result": ("content", dict),
    "web_search_tool_result": ("content", (list, dict)),
}
"""The kinds that the API takes back without a beta header, each with a field that it must have, and of which type.

https://platform.claude.com/docs/en/api/messages/create; one that it does not know refuses the whole request.
"""

_TEXTS: Mapping[str, tuple[str, ...]] = {"redacted_thinking": ("data",), SERVER_CALL: ("id", "name")}
"""The fields that hold a text which is not empty; of a result, the id of its call."""


def sent_back(data: Json, *, thinking: bool) -> Json | None:
    """A block as it is sent; None when the API would not take it.

    Args:
        data: the block as it came.
        thinking: the model may be shown thinking of the one that the block came from.
    """
    kind = as_text(data.get("type"))
    field, of_type = _FIELDS.get(kind, ("", object))
    if not field or not isinstance(data.get(field), of_type) or (kind in THOUGHTS and not thinking):
        return None
    return data if all(as_text(data.get(one)) for one in _TEXTS.get(kind, ("tool_use_id",))) else None


class ServerCalls:
    """The calls of its own tools that a server answered, maybe in a later message; the others cannot be sent back."""

    def __init__(self, blocks: Iterable[Json]) -> None:
        """Take note of the blocks of a whole conversation."""
        sent = [block for block in blocks if sent_back(block, thinking=False)]
        self._called = {block["id"] for block in sent if block["type"] == SERVER_CALL}
        self._answered = {block["tool_use_id"] for block in sent if _is_result(block)}

    def keeps(self, block: Json) -> bool:
        """Whether a block is no call without its result, and no result without its call."""
        if block["type"] == SERVER_CALL:
            return block["id"] in self._answered
        return not _is_result(block) or block["tool_use_id"] in self._called


def is_open(block: Json) -> bool:
    """Whether the model's turn goes on where it was: a server has paused it (`pause_turn`)."""
    return block["type"] == SERVER_CALL or _is_result(block)


def _is_result(block: Json) -> bool:
    return block["type"] in _FIELDS and block["type"] not in {SERVER_CALL, "redacted_thinking"}
