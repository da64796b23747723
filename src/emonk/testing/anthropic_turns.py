"""The rules that Anthropic holds the messages of a request to, by its documentation and its own error messages."""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from typing import Any

from emonk.models.fields import as_list, as_object, as_text

Json = dict[str, Any]

IMAGES = frozenset({"image/gif", "image/jpeg", "image/png", "image/webp"})
THOUGHTS = frozenset({"thinking", "redacted_thinking"})
USER_ONLY = frozenset({"image", "document", "tool_result", "search_result", "container_upload"})
ASSISTANT_ONLY = frozenset({"tool_use", *THOUGHTS})
SERVER_CALLS = frozenset({"server_tool_use", "mcp_tool_use"})
OTHERS = frozenset(
    {
        "text",
        *SERVER_CALLS,
        "advisor_tool_result",
        "bash_code_execution_tool_result",
        "code_execution_tool_result",
        "compaction",
        "mcp_tool_result",
        "text_editor_code_execution_tool_result",
        "tool_addition",
        "tool_search_tool_result",
        "web_fetch_tool_result",
        "web_search_tool_result",
    }
)
KINDS = USER_ONLY | ASSISTANT_ONLY | OTHERS
"""What a block can be. https://platform.claude.com/docs/en/api/messages/create."""

_ID = re.compile(r"[a-zA-Z0-9_-]+")
NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")


class Refused(Exception):
    """The request breaks a rule; the text is Anthropic's, or in its manner."""


def turns_of(body: Json) -> list[tuple[str, list[Json]]]:
    """Roles and blocks, with neighbours of one role as one, as the API reads them; `system` messages stand aside."""
    turns: list[tuple[str, list[Json]]] = []
    for message in map(as_object, as_list(body.get("messages"))):
        role = as_text(message.get("role"))
        blocks = blocks_of(message.get("content"))
        if role == "system":
            continue
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        else:
            turns.append((role, blocks))
    return turns


def blocks_of(content: Any) -> list[Json]:
    """The blocks of a message; a string stands for one of text."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else [*map(as_object, as_list(content))]


def check_messages(messages: Any, *, prefill: bool) -> None:
    """Hold messages to the rules.

    Args:
        messages: of a request.
        prefill: the model goes on with what the last message lets it say.

    Raises:
        Refused: they break one.
    """
    found = [as_object(one) for one in as_list(messages)]
    if not found:
        raise Refused("messages: at least one message is required")
    for index, message in enumerate(found):
        _check_message(message, f"messages.{index}", last=index == len(found) - 1)
    turns = turns_of({"messages": found})
    if turns[:1] and turns[0][0] != "user":
        raise Refused('messages: first message must use the "user" role')
    _check_end(turns, prefill=prefill)
    _check_pairs(turns)


def _check_message(message: Json, where: str, *, last: bool) -> None:
    role = message.get("role")
    if role not in {"user", "assistant", "system"}:
        raise Refused(f"{where}.role: Input should be 'user', 'assistant' or 'system'")
    blocks = blocks_of(message.get("content"))
    if not blocks and not (last and role == "assistant"):
        raise Refused(
            f"{where}: all messages must have non-empty content except for the optional final assistant message"
        )
    for number, block in enumerate(blocks):
        _check_block(block, str(role), f"{where}.content.{number}")
    if role == "assistant" and blocks and blocks[-1].get("type") in THOUGHTS:
        raise Refused(f"{where}: The final block in an assistant message cannot be `thinking`.")


def _check_block(block: Json, role: str, where: str) -> None:
    kind = as_text(block.get("type"))
    if kind not in KINDS:
        raise Refused(f"{where}: Input tag {kind!r} found using 'type' does not match any of the expected tags")
    if (role == "assistant" and kind in USER_ONLY) or (role == "user" and kind in ASSISTANT_ONLY):
        raise Refused(f"{where}: `{kind}` blocks are not permitted in `{role}` messages")
    match kind:
        case "text" if not as_text(block.get("text")).strip():
            raise Refused(f"{where}: text content blocks must contain non-whitespace text")
        case "thinking" if not (isinstance(block.get("thinking"), str) and as_text(block.get("signature"))):
            raise Refused(f"{where}.thinking.signature: Field required")
        case "redacted_thinking" if not as_text(block.get("data")):
            raise Refused(f"{where}.redacted_thinking.data: Field required")
        case "image" | "document":
            _check_source(as_object(block.get("source")), kind, f"{where}.{kind}.source")
        case "tool_use":
            _check_call(block, f"{where}.tool_use")
        case "tool_result":
            _check_result(block, where)
        case _:
            return


def _check_call(block: Json, where: str) -> None:
    if not _ID.fullmatch(as_text(block.get("id"))):
        raise Refused(f"{where}.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
    if not NAME.fullmatch(as_text(block.get("name"))):
        raise Refused(f"{where}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
    if not isinstance(block.get("input"), dict):
        raise Refused(f"{where}.input: Input should be a valid dictionary")


def _check_result(block: Json, where: str) -> None:
    content = block.get("content")
    if block.get("is_error") is True and not content:
        raise Refused(f"{where}: content cannot be empty if `is_error` is true")
    for number, inner in enumerate(map(as_object, as_list(content))):
        if inner.get("type") != "tool_reference":
            _check_block(inner, "user", f"{where}.tool_result.content.{number}")


def _check_source(source: Json, kind: str, where: str) -> None:
    media_type = source.get("media_type")
    match source.get("type"):
        case "url" | "file" | "content":
            return
        case "text" if kind == "document" and media_type == "text/plain" and source.get("data"):
            return
        case "base64" if media_type in (IMAGES if kind == "image" else {"application/pdf"}):
            _check_base64(as_text(source.get("data")), where)
        case _:
            raise Refused(f"{where}.media_type: Input should be one of {', '.join(sorted(IMAGES))}, 'application/pdf'")


def _check_base64(data: str, where: str) -> None:
    if not data:
        raise Refused(f"{where}.base64: {where.split('.')[-2]} cannot be empty")
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(f"{where}.base64.data: The provided data is not valid base64") from None


def _check_end(turns: Sequence[tuple[str, list[Json]]], *, prefill: bool) -> None:
    role, blocks = turns[-1] if turns else ("user", [])
    if role != "assistant" or (blocks and as_text(blocks[-1].get("type")) not in {"text", "tool_use"}):
        return
    if not prefill:
        raise Refused(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )
    said = as_text(blocks[-1].get("text")) if blocks else ""
    if said != said.rstrip():
        raise Refused("messages: final assistant content cannot end with trailing whitespace")


def _check_pairs(turns: Sequence[tuple[str, list[Json]]]) -> None:
    """Calls are answered in the user's next turn, first thing there, and nothing else is."""
    seen: set[str] = set()
    called: list[str] = []
    for index, (role, blocks) in enumerate(turns):
        answered = list(_results(blocks, f"messages.{index}")) if role == "user" else []
        for identifier in answered:
            if identifier not in called:
                raise Refused(
                    f"messages.{index}: unexpected `tool_use_id` found in `tool_result` blocks: {identifier}. Each"
                    " `tool_result` block must have a corresponding `tool_use` block in the previous message."
                )
            if answered.count(identifier) > 1:
                raise Refused(
                    f"messages.{index}: each tool_use must have a single result. Found multiple: {identifier}"
                )
        missing = [identifier for identifier in called if identifier not in answered]
        if missing:
            raise _unanswered(index - 1, missing)
        called = [as_text(block.get("id")) for block in blocks if block.get("type") == "tool_use"]
        if seen & {*called} or len(called) != len({*called}):
            raise Refused(f"messages.{index}: `tool_use` ids must be unique")
        seen |= {*called}
    if called:
        raise _unanswered(len(turns) - 1, called)


def _unanswered(index: int, missing: list[str]) -> Refused:
    return Refused(
        f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after:"
        f" {', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the next"
        " message."
    )


def _results(blocks: Sequence[Json], where: str) -> Iterator[str]:
    before = False
    for block in blocks:
        if block.get("type") != "tool_result":
            before = True
            continue
        if before:
            raise Refused(f"{where}: `tool_result` blocks must come first in the content of a `user` message")
        yield as_text(block.get("tool_use_id"))
