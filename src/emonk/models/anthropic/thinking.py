"""How much a model thinks, and how long its answer may be: by model, as documented.

https://platform.claude.com/docs/en/build-with-claude/thinking and .../effort.
"""

from collections.abc import Mapping
from typing import Any

from emonk.models.anthropic.claude import Claude
from emonk.models.anthropic.conversation import ThinkingSent
from emonk.models.protocol import ReasoningEffort

Json = dict[str, Any]

ANSWER = 16_000
"""Tokens of an answer when the request names no limit and nothing is thought; Anthropic wants one in every request."""

THOUGHT = 32_000
"""The same where the model thinks as much as it likes."""

BUDGETS: Mapping[ReasoningEffort, int] = {"none": 0, "low": 2_048, "medium": 8_192, "high": 16_384}
"""Tokens of thinking for the models that are told a budget."""

LEAST_BUDGET = 1_024


def limit_of(model: Claude, asked: int | None, effort: ReasoningEffort | None) -> int:
    """The `max_tokens` of a request, which thinking counts to."""
    if asked is not None:
        return min(asked, model.most_output) if model.family else asked
    if model.thinking == "budget":
        return min(model.most_output, ANSWER + BUDGETS[effort or "none"])
    thinks = effort != "none" and (effort is not None or model.thinking in {"default", "always", "between_tools"})
    return min(model.most_output, THOUGHT if thinks else ANSWER)


def thinking_of(
    model: Claude, effort: ReasoningEffort | None, limit: int, *, forced: bool, on: bool, sent: bool
) -> Json | None:
    """The `thinking` field of a request; None leaves it out.

    Args:
        model: that is asked.
        effort: how much to think; None as much as the model does by itself.
        limit: the `max_tokens` of the request.
        forced: a call is required, which a model that thinks by a budget refuses.
        on: what the conversation holds lets such a model think.
        sent: thinking of earlier steps is in the request.
    """
    match model.thinking:
        case "budget":
            budget = min(BUDGETS[effort or "none"], max(limit // 2, limit - ANSWER))
            if forced or not on or budget < LEAST_BUDGET:
                return None
            return {"type": "enabled", "budget_tokens": budget}
        case "default" if effort == "none":
            return {"type": "disabled"}
        case "between_tools" if effort == "none":
            return {"type": "between_tools"}
        case "none":
            return None
        case "optional" if effort in {None, "none"}:
            return None
        case "always" if effort == "none" and not (sent and model.binds_thinking):
            return None
        case _:
            return _adaptive(model, sent=sent)


def thinking_sent(model: Claude, effort: ReasoningEffort | None) -> ThinkingSent:
    """Whose thinking of earlier steps is in a request.

    None where what is bound to its conversation could not be dropped, since the request has no place to say so.
    """
    if not model.binds_thinking:
        return "own"
    return "none" if effort == "none" and model.thinking in {"default", "between_tools"} else "any"


def effort_of(model: Claude, effort: ReasoningEffort | None) -> str | None:
    """The `output_config.effort` of a request; None leaves it out. What cannot stop thinking thinks little."""
    if effort is None or not model.takes_effort:
        return None
    if effort == "none":
        return "low" if model.thinking == "always" else None
    return effort


def _adaptive(model: Claude, *, sent: bool) -> Json:
    field: Json = {"type": "adaptive"}
    if model.hides_thinking:
        field["display"] = "summarized"
    if sent and model.binds_thinking:
        field["block_binding"] = {"prefix_mismatch_behavior": "drop_block"}
    return field
