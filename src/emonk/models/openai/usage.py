"""Tokens as OpenAI's two APIs and the servers that speak them count them, in emonk's one definition."""

from typing import Any

from emonk.models.fields import as_count, as_object
from emonk.records import Usage


def read_chat_usage(said: Any) -> Usage:
    """The usage of a chat completion.

    Cached tokens are named in one of three places: `prompt_tokens_details` (OpenAI, OpenRouter), or beside the counts
    (`cached_tokens` of Together and Moonshot, `prompt_cache_hit_tokens` of DeepSeek). Mistral's `num_cached_tokens` is
    what its servers had at hand, also where no caching was asked for; what it bills as cached stands in the details.
    """
    usage = as_object(said)
    prompt = as_object(usage.get("prompt_tokens_details"))
    cached = as_count(prompt.get("cached_tokens")) or next(
        (count for field in _CACHED if (count := as_count(usage.get(field)))), 0
    )
    return _usage(
        as_count(usage.get("prompt_tokens")),
        as_count(usage.get("completion_tokens")),
        as_count(usage.get("total_tokens")),
        cached=cached,
        written=as_count(prompt.get("cache_write_tokens")),
        reasoning=as_count(as_object(usage.get("completion_tokens_details")).get("reasoning_tokens")),
    )


def read_responses_usage(said: Any) -> Usage:
    """The usage of a response of the responses API."""
    usage = as_object(said)
    prompt = as_object(usage.get("input_tokens_details"))
    return _usage(
        as_count(usage.get("input_tokens")),
        as_count(usage.get("output_tokens")),
        as_count(usage.get("total_tokens")),
        cached=as_count(prompt.get("cached_tokens")),
        written=as_count(prompt.get("cache_write_tokens")),
        reasoning=as_count(as_object(usage.get("output_tokens_details")).get("reasoning_tokens")),
    )


_CACHED = ("cached_tokens", "prompt_cache_hit_tokens")


def _usage(prompt: int, completion: int, total: int, *, cached: int, written: int, reasoning: int) -> Usage:
    """Held to the definition: what is cached lies in the prompt, reasoning in the completion.

    Some servers count reasoning beside the completion and not in it, as xAI; or, as Google's endpoint of this kind,
    name it in the total alone. The total tells.
    """
    beside = total - prompt - completion
    if prompt and beside > 0 and reasoning in {0, beside}:
        reasoning = beside
        completion += beside
    return Usage(prompt, completion, min(cached, prompt), min(written, prompt), min(reasoning, completion))
