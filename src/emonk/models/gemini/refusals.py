"""Which tool and which keyword Gemini means when it refuses a tool's schema."""

import re
from collections.abc import Sequence
from typing import Any

from emonk.errors import EmonkError
from emonk.models.fields import as_list, as_object
from emonk.models.protocol import ToolLike

_WHERE = re.compile(r"function_?[dD]eclarations\[(\d{1,4})\]((?:\.\w+|\[[^\]\s]{1,100}\]){0,60})")
_KEYWORD = re.compile(r"(?:[Uu]nknown name|[Uu]nsupported|[Ii]nvalid)[^\"'`]{0,40}[\"'`]([$\w]{1,60})[\"'`]")
_STEP = re.compile(r"\.(\w+)|\[([^\]]+)\]")


def explain(error: EmonkError, tools: Sequence[ToolLike]) -> None:
    """Put the tool, the place and the keyword into the hint of a refusal that names them by number only.

    Google writes `tools[0].function_declarations[8].parameters.properties[1].value`, where properties are counted.
    """
    place = _WHERE.search(error.message)
    if place is None or int(place[1]) >= len(tools):
        return
    tool = tools[int(place[1])]
    path = _named(place[2], tool.parameters)
    keyword = _KEYWORD.search(error.message)
    what = f"{keyword[1]!r} " if keyword else ""
    error.hint = f"change the schema of the tool {tool.name}: {what}at {path or 'its top'}"


def _named(steps: str, schema: dict[str, Any]) -> str:
    """The path with the names of properties in place of their numbers."""
    here: Any = schema
    path: list[str] = []
    for name, index in _STEP.findall(steps):
        if name in {"parameters", "parameters_json_schema", "parametersJsonSchema"} and not path:
            path.append("parameters")
        elif name == "value" and name not in as_object(here):
            continue
        elif index:
            key = _key(here, index)
            here = _inside(here, key)
            path.append(key)
        else:
            here = _inside(here, name)
            path.append(name)
    return ".".join(path)


def _key(here: Any, index: str) -> str:
    names = list(as_object(here))
    return names[int(index)] if index.isdecimal() and int(index) < len(names) else index


def _inside(here: Any, key: str) -> Any:
    if key.isdecimal():
        items = as_list(here)
        return items[int(key)] if int(key) < len(items) else None
    known = as_object(here)
    return known.get(key, known.get(_camel(key)))


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)
