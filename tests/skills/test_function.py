import asyncio
import contextvars
import dataclasses
import datetime as dt
import enum
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pytest

from emonk.errors import AgentError, DeadlineExceeded, InvalidArguments, InvalidConfig
from emonk.records import RiskLevel
from emonk.skills.function import Tool, tool
from emonk.skills.protocol import Context, Runnable
from emonk.testing.clock import ManualClock
from tests.skills.calls import context


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Size(msgspec.Struct):
    width: int
    unit: Literal["cm", "in"] = "cm"


@dataclasses.dataclass
class Shelf:
    sizes: list[Size]


class Options(TypedDict, total=False):
    deep: bool


class Tree(msgspec.Struct):
    children: "list[Tree]"


@tool(risk="low", idempotent=True, triggers=["weather in {city}"])
async def get_weather(ctx: Context, city: str, days: int = 3, unit: Literal["c", "f"] = "c") -> str:
    """Get the weather of a city.

    It is a forecast.

    Args:
        city: The city
            to ask about.
        days: How many days ahead.

    Returns:
        The weather.
    """
    return f"{city}, {days} days, {unit}, for {ctx.user_id}"


def run(called: Runnable, **arguments: Any) -> str:
    return asyncio.run(called.run(arguments, context()))


def schema_of(kind: Any) -> dict[str, Any]:
    def ask(value: Any) -> None: ...

    ask.__annotations__["value"] = kind
    return tool(ask).parameters["properties"]["value"]


def test_signature_and_docstring_become_the_schema() -> None:
    assert get_weather.name == "get_weather"
    assert get_weather.description == "Get the weather of a city.\n\nIt is a forecast."
    assert get_weather.triggers == ("weather in {city}",)
    assert get_weather.idempotent
    assert get_weather.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "The city to ask about."},
            "days": {"type": "integer", "description": "How many days ahead.", "default": 3},
            "unit": {"type": "string", "enum": ["c", "f"], "default": "c"},
        },
        "required": ["city"],
    }


def test_the_schema_is_made_once() -> None:
    assert get_weather.parameters is get_weather.parameters


def test_a_tool_is_still_the_function() -> None:
    @tool
    def double(number: int) -> int:
        """Double it."""
        return 2 * number

    assert double(4) == 8
    assert double.__doc__ == "Double it."
    assert getattr(double, "__name__", "") == "double"


def test_undeclared_risk_is_high() -> None:
    @tool
    def merge() -> None: ...

    assert merge.risk is RiskLevel.HIGH
    assert merge.declared_risk is None
    assert get_weather.risk is RiskLevel.LOW


@pytest.mark.parametrize("options", [{"risk": "hgih"}, {"name": "a b"}, {"name": "1a"}, {"name": "x" * 65}])
def test_bad_options_are_refused_at_once(options: dict[str, Any]) -> None:
    def fine() -> None: ...

    with pytest.raises(InvalidConfig):
        tool(**options)(fine)


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (Colour, {"type": "string", "enum": ["green", "red"]}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (dict[str, float], {"type": "object", "additionalProperties": {"type": "number"}}),
        (dict[str, Any], {"type": "object"}),
        (str | None, {"type": "string"}),
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (Path, {"type": "string"}),
        (dt.datetime, {"type": "string", "format": "date-time"}),
        (dt.date, {"type": "string", "description": "(format: date)"}),
        (Annotated[int, msgspec.Meta(gt=3, le=9)], {"type": "integer", "minimum": 4, "maximum": 9}),
        (Annotated[float, msgspec.Meta(gt=0)], {"type": "number", "minimum": 5e-324}),
        (Literal[1, 2], {"type": "integer", "enum": [1, 2]}),
        (Options, {"type": "object", "properties": {"deep": {"type": "boolean"}}, "required": []}),
        (
            Shelf,
            {
                "type": "object",
                "properties": {
                    "sizes": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "width": {"type": "integer"},
                                "unit": {"type": "string", "enum": ["cm", "in"], "default": "cm"},
                            },
                            "required": ["width"],
                        },
                    }
                },
                "required": ["sizes"],
            },
        ),
    ],
)
def test_types_are_told_without_references(kind: Any, schema: dict[str, Any]) -> None:
    assert schema_of(kind) == schema


@pytest.mark.parametrize("kind", [Any, object, bytes, list, list[Any], tuple[int, str], complex, Tree, "Missing"])
def test_what_no_model_can_be_told_is_refused(kind: Any) -> None:
    with pytest.raises(InvalidConfig, match="ask"):
        schema_of(kind)


def variadic(*values: int) -> None: ...


def keywords(**values: int) -> None: ...


def positional(value: int, /) -> None: ...


def late_context(value: int, ctx: Context) -> None: ...


@pytest.mark.parametrize("function", [variadic, keywords, positional, late_context])
def test_bad_signatures_name_function_and_parameter(function: Callable[..., None]) -> None:
    with pytest.raises(InvalidConfig, match=rf"{function.__name__}.*(value|ctx)"):
        _ = tool(function).parameters


def test_a_parameter_without_annotation_is_named() -> None:
    def ask(value: str) -> None: ...

    ask.__annotations__.clear()
    with pytest.raises(InvalidConfig, match=r"ask: parameter value has no annotation"):
        _ = tool(ask).parameters


def test_a_trigger_must_name_parameters() -> None:
    @tool(triggers=["say {words}"])
    def say(text: str) -> None: ...

    with pytest.raises(InvalidConfig, match="words"):
        _ = say.parameters


def test_arguments_are_checked_and_the_context_is_given() -> None:
    assert run(get_weather, city="Paris", days="4") == "Paris, 4 days, c, for u1"
    assert run(get_weather, city="Paris", days=None) == "Paris, 3 days, c, for u1"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"citi": "Paris"}, "`citi` is no parameter, did you mean `city`?; `city` is missing"),
        ({"city": "Paris", "days": "soon"}, "`days`: Expected `int`, got `str`"),
        ({"city": "Paris", "unit": "C"}, "`unit`: Invalid enum value 'C', did you mean 'c'?"),
        ({"city": "Paris", "ctx": {}}, "`ctx` is no parameter"),
    ],
)
def test_wrong_arguments_are_told_with_the_right_ones(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        run(get_weather, **arguments)
    assert problem in caught.value.message
    assert caught.value.hint == (
        "get_weather takes `city` (string, required), `days` (integer, default 3), `unit` ('c' | 'f', default 'c')"
    )


def test_nested_values_arrive_as_their_types() -> None:
    @tool
    def widths(shelf: Shelf, colour: Colour, where: Path) -> list[Any]:
        assert isinstance(where, Path)
        return [[size.width for size in shelf.sizes], colour, where]

    assert run(widths, shelf={"sizes": [{"width": 3}]}, colour="red", where="a/b") == '[[3],"red","a/b"]'
    assert run(widths, shelf='{"sizes": [{"width": 3}]}', colour="red", where="a") == '[[3],"red","a"]'


def test_a_default_that_a_list_has_is_not_shared_with_the_schema() -> None:
    @tool
    def collect(tags: list[str] = ["a"]) -> list[str]:  # noqa: B006 - what users write
        return tags

    collect.parameters["properties"]["tags"]["default"].append("b")
    assert run(collect) == '["a"]'


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("as it is", "as it is"),
        (None, "Done; there is nothing to report."),
        ({"a": [1, 2.5]}, '{"a":[1,2.5]}'),
        (Size(3), '{"width":3,"unit":"cm"}'),
        (True, "true"),
        ({"where": Path("a")}, '{"where":"a"}'),
    ],
)
def test_results_become_text(result: Any, text: str) -> None:
    @tool
    def give() -> Any:
        return result

    assert run(give) == text


def test_functions_that_block_run_in_a_thread_with_the_context_variables() -> None:
    trace = contextvars.ContextVar("trace", default="")

    @tool
    def ask() -> str:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return trace.get()

    async def main() -> str:
        trace.set("t-7")
        return await ask.run({}, context())

    assert asyncio.run(main()) == "t-7"


def test_errors_of_the_function_come_through() -> None:
    @tool
    def fail(kind: str) -> None:
        raise AgentError("no") if kind == "ours" else ZeroDivisionError

    with pytest.raises(AgentError, match="no"):
        run(fail, kind="ours")
    with pytest.raises(ZeroDivisionError):
        run(fail, kind="theirs")


@pytest.mark.parametrize(("deadline", "expected"), [(None, 5.0), (1002.0, 2.0), (900.0, 0.0)])
def test_a_timeout_ends_the_call_and_never_outlives_the_turn(deadline: float | None, expected: float) -> None:
    clock = ManualClock(start=1000.0)

    @tool(timeout=5)
    async def wait() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        call = asyncio.ensure_future(wait.run({}, context(clock=clock, deadline=deadline)))
        if expected:
            await clock.wait_for_sleepers()
            await clock.advance(expected)
        with pytest.raises(DeadlineExceeded, match="wait"):
            await call

    asyncio.run(main())
    assert clock.slept == [expected]


def test_descriptions_never_are_empty() -> None:
    @tool
    def list_open_files() -> None: ...

    assert list_open_files.description == "list open files"


def test_a_tool_satisfies_the_protocol() -> None:
    checked: Runnable = get_weather
    assert isinstance(checked, Tool)
    assert json.loads(json.dumps(checked.parameters)) == checked.parameters
