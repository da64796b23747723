"""Whether a conversation is one that every provider takes, as its adapter writes it and its stand-in checks it."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from emonk.messages import Message
from emonk.models.anthropic.request import RequestWriter as AnthropicWriter
from emonk.models.gemini.contents import write_contents
from emonk.models.openai.chat_request import write_messages
from emonk.models.openai.endpoint import BASE_URL, endpoint_of
from emonk.models.openai.responses_request import write_input
from emonk.models.protocol import ModelRequest
from emonk.testing import anthropic_rules, gemini_rules, openai_responses_rules, openai_rules
from emonk.testing.openai_schemas import Refused as OpenAIRefused

_CHAT = endpoint_of("gpt-4o", BASE_URL, "chat")
_COMPATIBLE = endpoint_of("llama", "http://localhost/v1", "chat")
_RESPONSES = endpoint_of("o3", BASE_URL, "responses")

_CLAUDE = "claude-sonnet-4-5"

REFUSED = (gemini_rules.Refused, OpenAIRefused, anthropic_rules.Refused)


def _gemini(messages: Sequence[Message]) -> None:
    gemini_rules.check({"contents": write_contents(messages)})


def _openai(messages: Sequence[Message]) -> None:
    openai_rules.check({"model": "gpt-4o", "messages": write_messages(messages, _CHAT)})


def _compatible(messages: Sequence[Message]) -> None:
    openai_rules.check({"model": "llama", "messages": write_messages(messages, _COMPATIBLE)})


def _responses(messages: Sequence[Message]) -> None:
    openai_responses_rules.check({"model": "o3", "input": write_input(messages, _RESPONSES)})


def _anthropic(messages: Sequence[Message]) -> None:
    anthropic_rules.check(msgspec.json.decode(AnthropicWriter(_CLAUDE).write(ModelRequest(messages))))


CHECKS: Mapping[str, Callable[[Sequence[Message]], None]] = {
    "gemini": _gemini,
    "openai": _openai,
    "openai-compatible": _compatible,
    "openai-responses": _responses,
    "anthropic": _anthropic,
}
"""One line for each way to write a conversation; each raises one of `REFUSED`."""


def refusals(messages: Sequence[Message]) -> Iterator[str]:
    """Which providers refuse a conversation, and with which words."""
    for provider, check in CHECKS.items():
        try:
            check(messages)
        except REFUSED as refused:
            yield f"{provider} refuses it: {refused}"
