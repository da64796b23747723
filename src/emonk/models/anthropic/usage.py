"""Tokens as Anthropic counts them, in emonk's one definition. https://docs.anthropic.com/en/api/messages."""

from typing import Any

from emonk.models.fields import as_count, as_object
from emonk.records import Usage


def read_usage(said: Any) -> Usage:
    """The usage of a message, or of the last `message_delta` of a stream: its counts are cumulative.

    `input_tokens` says what was neither read from the cache nor written into it; both are added here.
    """
    usage = as_object(said)
    cached, written = as_count(usage.get("cache_read_input_tokens")), as_count(usage.get("cache_creation_input_tokens"))
    output = as_count(usage.get("output_tokens"))
    thought = as_count(as_object(usage.get("output_tokens_details")).get("thinking_tokens"))
    return Usage(
        input_tokens=as_count(usage.get("input_tokens")) + cached + written,
        output_tokens=output,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=min(thought, output),
    )
