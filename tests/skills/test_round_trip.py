"""Whatever the schema allows, the tool takes, and it arrives as what was sent."""

import asyncio
import inspect
from typing import Any, Literal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from emonk.errors import InvalidArguments
from emonk.skills.function import Tool, tool
from tests.skills.calls import context


class Point(msgspec.Struct):
    x: int
    name: str = "here"


_numbers = st.integers(-(2**53), 2**53)
_KINDS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, st.text()),
    (int, _numbers),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (bool, st.booleans()),
    (Literal["a", "b"], st.sampled_from(["a", "b"])),
    (list[str], st.lists(st.text())),
    (dict[str, int], st.dictionaries(st.text(), _numbers)),
    (Point, st.fixed_dictionaries({"x": _numbers}, optional={"name": st.text()})),
    (list[Point], st.lists(st.fixed_dictionaries({"x": _numbers}))),
]
_names = st.from_regex(r"[a-z][a-z_]{0,7}", fullmatch=True).filter(
    lambda name: not __import__("keyword").iskeyword(name)
)
_parameter = st.sampled_from(_KINDS).flatmap(lambda pair: st.tuples(st.just(pair[0]), pair[1], st.booleans()))
_signatures = st.dictionaries(_names, _parameter, max_size=5)


def _function(parameters: dict[str, tuple[Any, Any, bool]]) -> Tool[..., Any]:
    def collect(**values: Any) -> str:
        return msgspec.json.encode(values).decode()

    empty = inspect.Parameter.empty
    made = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=kind if required else kind | None,
            default=empty if required else None,
        )
        for name, (kind, _, required) in parameters.items()
    ]
    setattr(collect, "__signature__", inspect.Signature(made))  # noqa: B010 - functions have no such attribute for type checkers
    return tool(collect)


@settings(deadline=None)
@given(_signatures)
def test_values_of_the_schema_arrive(parameters: dict[str, tuple[Any, Any, bool]]) -> None:
    made = _function(parameters)
    assert b'"$ref"' not in msgspec.json.encode(made.parameters)
    assert set(made.parameters["properties"]) == set(parameters)
    assert set(made.parameters.get("required", [])) == {
        name for name, (_, _, required) in parameters.items() if required
    }
    sent = {name: value for name, (_, value, _) in parameters.items()}
    received = msgspec.json.decode(asyncio.run(made.run(sent, context())))
    for name, (kind, value, _) in parameters.items():
        assert msgspec.convert(received[name], kind) == msgspec.convert(value, kind)


@settings(deadline=None)
@given(_signatures, st.dictionaries(st.text(), st.none() | st.booleans() | _numbers | st.text() | st.lists(st.text())))
def test_anything_else_is_refused_with_one_error(
    parameters: dict[str, tuple[Any, Any, bool]], sent: dict[str, Any]
) -> None:
    made = _function(parameters)
    refused = asyncio.run(_refused(made, sent))
    assert refused is None or (refused.hint and made.name in refused.message)


async def _refused(made: Tool[..., Any], sent: dict[str, Any]) -> InvalidArguments | None:
    try:
        await made.run(sent, context())
    except InvalidArguments as error:
        return error
    return None
