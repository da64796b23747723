"""Model strings: `PROVIDER:NAME`, or `offline`."""

from collections.abc import Mapping

PRICED_AS: Mapping[str, str] = {
    "gemini": "google",
    "vertex": "google",
    "openai": "openai",
    "openai-responses": "openai",
    "anthropic": "anthropic",
}
"""The providers of model strings, and under which name `genai-prices` knows them.

`openai` speaks chat completions, as every compatible server does; `openai-responses` the responses API.
"""


def dependency_of(spec: str, location: str = "") -> str:
    """What fails together: a provider's model, at one of its locations where it has several."""
    return f"{spec} in {location}" if location else spec
