"""Model strings: `PROVIDER:NAME`, or `offline`."""

import difflib
import re
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


SPECS = ", ".join(f"{provider}:NAME" for provider in PRICED_AS) + " or offline"
"""Which model strings there are."""

_PROVIDERS = (*PRICED_AS, "offline")
_MAKERS = {"openai": r"gpt-|chatgpt-|o\d", "anthropic": "claude-", "gemini": "gemini-"}
"""How the names of models begin, by whose they are."""


def spec_hint(given: str) -> str:
    """What to write in place of a string that is no model string: what was probably meant, or all there are."""
    provider, _, name = given.partition(":")
    if not name:
        maker = next((one for one, begin in _MAKERS.items() if re.match(begin, provider.lower())), None)
        if maker:
            return f"did you mean {maker}:{provider}?"
    near = next(iter(difflib.get_close_matches(provider.lower(), _PROVIDERS, 1)), provider)
    if near == provider:
        return f"write {SPECS}"
    return "did you mean offline?" if near == "offline" else f"did you mean {near}:{name or 'NAME'}?"


def dependency_of(spec: str, location: str = "") -> str:
    """What fails together: a provider's model, at one of its locations where it has several."""
    return f"{spec} in {location}" if location else spec
