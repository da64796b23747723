"""How much Gemini's models think: a budget of tokens before Gemini 3, a level since.

https://ai.google.dev/gemini-api/docs/thinking; the budgets are those that Google gives the efforts of its
OpenAI-compatible API.
"""

import re
from collections.abc import Mapping
from typing import Any

from emonk.models.protocol import ReasoningEffort

_VERSION = re.compile(r"gemini-(\d{1,3})(?:\.(\d{1,3}))?(?![\d.])")
_NEWEST = re.compile(r"gemini-(?:pro|flash|flash-lite)-latest")

_BUDGETS: Mapping[ReasoningEffort, int] = {"none": 0, "low": 1024, "medium": 8192, "high": 24_576}
_LEAST_OF_PRO = 128  # 2.5 Pro cannot do without


def version_of(model: str) -> tuple[int, int]:
    """Which Gemini a name means, (0, 0) when it is none; `-latest` names are of the third."""
    name = model.rpartition("/")[2]
    if found := _VERSION.match(name):
        return int(found[1]), int(found[2] or 0)
    return (3, 0) if _NEWEST.match(name) else (0, 0)


def wants_signatures(model: str) -> bool:
    """Whether the model refuses calls without a signature."""
    return version_of(model) >= (3, 0)


def thinking_config(model: str, effort: ReasoningEffort) -> dict[str, Any]:
    """The `thinkingConfig` of a request; empty for models that do not think, which refuse any.

    The least that a model can do stands for `none` where it cannot be told not to think.
    """
    version = version_of(model)
    if version < (2, 5):
        return {}
    shown = effort != "none"
    if version >= (3, 0):
        return {"thinkingLevel": _level(model, version, effort), "includeThoughts": shown}
    budget = _BUDGETS[effort]
    return {"thinkingBudget": max(budget, _LEAST_OF_PRO) if "-pro" in model else budget, "includeThoughts": shown}


def _level(model: str, version: tuple[int, int], effort: ReasoningEffort) -> str:
    pro = "-pro" in model
    if effort == "none":
        return "low" if pro else "minimal"
    return "high" if pro and version == (3, 0) and effort == "medium" else effort  # Gemini 3 Pro knows two levels
