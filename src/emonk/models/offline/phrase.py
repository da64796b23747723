"""What the offline model says, in plain words and Markdown. It never passes for a language model."""

import re
from collections.abc import Sequence
from typing import Any, cast

import msgspec

from emonk.messages import ToolResult
from emonk.models.offline.match import Plan, limits, summary
from emonk.models.offline.values import is_free
from emonk.models.protocol import ToolLike


class Voice(msgspec.Struct, frozen=True):
    """Why there is no language model, as the start of a sentence, and what would change that."""

    why: str
    cure: str
    shows: str

    @property
    def footer(self) -> str:
        """Under what a tool returned."""
        return f"*{self.why}: {self.shows}*"

    @property
    def answers(self) -> str:
        """Under what the planner asks."""
        return f"*{self.why}; emonk's offline planner answers.*"


UNCONFIGURED = Voice(
    "No language model is configured",
    "To talk freely, set `EMONK_MODEL` to `gemini:NAME`, `openai:NAME` or `anthropic:NAME` (or `llm.model` in the "
    "agent's file), and its key: `GEMINI_API_KEY`, `OPENAI_API_KEY` or `ANTHROPIC_API_KEY`.",
    "emonk's offline planner chose the tool and shows its result as it is.",
)
UNREACHABLE = Voice(
    "No language model can be reached at the moment",
    "Ask again later, or have this message answered when a model is back.",
    "what the tools returned is shown as it is.",
)

_SLOT = re.compile(r"\{(\w+)\}")
_DEPTH = 4
_SHOWN = 5


def capabilities(tools: Sequence[ToolLike], voice: Voice) -> str:
    """What can be done without a language model, and what would bring one."""
    if not tools:
        return f"{voice.why}, and this agent has no tools that could work without one.\n\n{voice.cure}"
    lines = [f"- **{tool.name}**: {_summary(tool)} Say: “{example(tool)}”" for tool in tools]
    intro = f"{voice.why}, so I only match your words to what I can do:"
    return "\n".join([intro, "", *lines, "", voice.cure])


def ask_for(plan: Plan, voice: Voice) -> str:
    """Which arguments are missing, with a sentence that has them."""
    properties = plan.tool.parameters.get("properties", {})
    lines = [f"- `{name}`: {_told(properties.get(name, {}))}" for name in plan.missing]
    intro = f"I would use **{plan.tool.name}**, but your message does not say:"
    return "\n".join([intro, "", *lines, "", f"For example: “{example(plan.tool)}”", "", voice.answers])


def ask_once(plan: Plan, voice: Voice) -> str:
    """The message gives an argument two values."""
    names = ", ".join(f"`{name}`" for name in plan.twice)
    intro = f"I would use **{plan.tool.name}**, but your message gives {names} more than once. Which is meant?"
    return "\n".join([intro, "", f"Say it once, for example: “{example(plan.tool)}”", "", voice.answers])


def unclear(plan: Plan, voice: Voice) -> str:
    """Some words were not understood: what the tool does, and sentences for it."""
    words = ", ".join(f"“{word}”" for word in plan.unexplained[:_SHOWN])
    intro = f"I would use **{plan.tool.name}**, but I do not know what to make of {words}, so I have not run it."
    sentences = [f"- {sentence}" for sentence in examples(plan.tool)[:_SHOWN] or [example(plan.tool)]]
    described = " ".join(plan.tool.description.split())
    return "\n".join([intro, "", described, "", "Say for example:", "", *sentences, "", voice.cure, "", voice.answers])


def refuse(tools: Sequence[ToolLike], offered: Sequence[ToolLike], voice: Voice) -> str:
    """What the tools say that they do not do, then what can be done."""
    told = dict.fromkeys(limit for tool in tools for limit in limits(tool.description))
    return "\n\n".join([" ".join(told), capabilities(offered, voice)])


def ask_which(plans: Sequence[Plan], voice: Voice) -> str:
    """Several tools fit equally well."""
    lines = [f"- **{plan.tool.name}**: {_summary(plan.tool)} Say: “{example(plan.tool)}”" for plan in plans]
    return "\n".join(["Your message fits more than one thing I can do. Which one?", "", *lines, "", voice.answers])


def results(returned: Sequence[ToolResult], voice: Voice) -> str:
    """The results of tools, as they are."""
    several = len(returned) > 1
    return "\n\n".join([*(_result(result, several) for result in returned), voice.footer])


def example(tool: ToolLike) -> str:
    """A sentence that the planner understands as this tool."""
    sentences = examples(tool)
    if sentences:
        return sentences[0]
    properties: dict[str, Any] = tool.parameters.get("properties", {})
    words = tool.name.replace("_", " ").replace("-", " ")
    required: list[str] = tool.parameters.get("required", [])
    return " ".join([words, *(f"{name}={_quoted(name, properties.get(name, {}))}" for name in required)])


def examples(tool: ToolLike) -> list[str]:
    """One sentence for each set of placeholders that gives all required arguments."""
    properties: dict[str, Any] = tool.parameters.get("properties", {})
    required = frozenset[str](tool.parameters.get("required", []))
    chosen: dict[frozenset[str], str] = {}
    for trigger in tool.triggers:
        named = frozenset(_SLOT.findall(trigger))
        if required <= named:
            chosen.setdefault(named, trigger)
    return [
        _SLOT.sub(lambda match: _sample(match.group(1), properties.get(match.group(1), {})), trigger)
        for trigger in chosen.values()
    ]


def _quoted(name: str, schema: dict[str, Any]) -> str:
    """A sample as the value of an assignment, where any words may stand."""
    sample = _sample(name, schema)
    return f'"{sample}"' if is_free(schema) else sample


def _sample(name: str, schema: dict[str, Any]) -> str:
    if schema.get("enum"):
        return str(schema["enum"][0])
    if isinstance(schema.get("default"), str) and schema["default"]:
        return str(schema["default"])
    match schema.get("type"):
        case "integer" | "number":
            return str(schema.get("minimum", 3))
        case "boolean":
            return "yes"
        case _:
            return f"<{name.replace('_', ' ')}>"


def _summary(tool: ToolLike) -> str:
    first = summary(tool.description)
    return first if first.endswith((".", "!", "?")) else f"{first}."


def _told(schema: dict[str, Any]) -> str:
    choices = ", ".join(map(str, schema.get("enum", ())))
    told = str(schema.get("description", "")) or f"a {schema.get('type', 'value')}"
    return f"{told} (one of {choices})" if choices else told


def _result(result: ToolResult, several: bool) -> str:
    if result.error is not None:
        problem, _, hint = result.content.partition("\nHint: ")
        text = f"**{result.name}** did not succeed ({result.error}): {problem}"
        return f"{text}\n\nWhat may help: {hint}" if hint else text
    text = _readable(result.content)
    return f"**{result.name}**\n\n{text}" if several else text


def _readable(content: str) -> str:
    if content.lstrip()[:1] not in ("{", "["):
        return content
    try:
        data = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        return content
    return "\n".join(_lines(data, 0)) or content


def _lines(data: object, depth: int) -> list[str]:
    indent = "  " * depth
    if depth < _DEPTH and isinstance(data, dict):
        items = cast("dict[str, object]", data).items()
        return [line for key, value in items for line in _item(f"{indent}- **{key}**:", value, depth)]
    if depth < _DEPTH and isinstance(data, list):
        values = cast("list[object]", data)
        if depth == 0 and (table := _table(values)):
            return table
        return [line for value in values for line in _item(f"{indent}-", value, depth)]
    return [f"{indent}{_scalar(data)}"]


def _item(bullet: str, value: object, depth: int) -> list[str]:
    return [bullet, *_lines(value, depth + 1)] if _nested(value) else [f"{bullet} {_scalar(value)}"]


def _nested(value: object) -> bool:
    return isinstance(value, dict | list) and bool(cast("list[object]", value))


def _table(rows: list[object]) -> list[str]:
    """Objects with the same few plain fields, as a table; empty when they are something else."""
    records = [cast("dict[str, object]", row) for row in rows if isinstance(row, dict)]
    if len(records) != len(rows) or not records or not 0 < len(records[0]) <= 8:
        return []
    keys = list(records[0])
    if any(list(one) != keys or any(isinstance(value, dict | list) for value in one.values()) for one in records):
        return []
    cells = [[_cell(one[key]) for key in keys] for one in records]
    return [_row([_cell(key) for key in keys]), _row(["---"] * len(keys)), *(_row(row) for row in cells)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    return " ".join(_scalar(value).replace("|", "\\|").split())


def _scalar(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case dict() | list():
            return msgspec.json.encode(cast("object", value)).decode()
        case _:
            return str(value)
