"""Which calls are the same effect, and which are not."""

import json
from typing import Any, Literal, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk import tool
from emonk.effects.key import effect_key, turn_occasion
from emonk.errors import InvalidArguments
from emonk.records import SessionKey
from emonk.skills.effect import ARGUMENTS_LIMIT, Identity
from emonk.skills.function import Tool

OCCASION = turn_occasion(SessionKey("a", "s"), "m")

names = st.text(max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | names,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@tool(risk="low", effect="shop")
async def order(item: str, count: int = 1, gift: bool = False, note: str | None = None) -> str:
    """Order something."""
    return f"{count} {item} {gift} {note}"


@tool(risk="low", effect=True)
async def send(body: dict[str, Any]) -> str:
    """Send anything."""
    return str(body)


def key(called: Tool[..., Any], occasion: str = OCCASION, **arguments: Any) -> str:
    assert called.effect is not None
    return effect_key(called.name, called.effect.identity(arguments), occasion)


@pytest.mark.parametrize(
    "arguments",
    [
        {"item": "book", "count": 1},
        {"count": 1.0, "item": "book"},
        {"count": "1", "item": "book"},
        {"item": "book", "gift": False, "note": None},
        {"gift": "false", "item": "book", "count": 1},
    ],
    ids=str,
)
def test_what_means_the_same_has_the_same_key(arguments: dict[str, Any]) -> None:
    assert key(order, **arguments) == key(order, item="book")


@pytest.mark.parametrize(
    "arguments", [{"item": "Book"}, {"item": "book", "count": 2}, {"item": "book", "note": ""}], ids=str
)
def test_what_does_not_mean_the_same_has_another_key(arguments: dict[str, Any]) -> None:
    assert key(order, **arguments) != key(order, item="book")


def shuffled(value: Any, draw: Any) -> Any:
    """The same, with the members of objects in another order and numbers written in another way."""
    match value:
        case dict():
            items: list[Any] = draw.draw(st.permutations(list(cast("dict[str, Any]", value).items())))
            return {name: shuffled(one, draw) for name, one in items}
        case list():
            return [shuffled(one, draw) for one in cast("list[Any]", value)]
        case int() if not isinstance(value, bool) and abs(value) < 2**53:
            return float(value)
        case _:
            return value


@given(body=st.dictionaries(names, values, max_size=5), draw=st.data())
def test_order_and_notation_do_not_matter(body: dict[str, Any], draw: Any) -> None:
    again = shuffled(body, draw)
    assert key(send, body=body) == key(send, body=again)


def same(left: Any, right: Any) -> bool:
    """Whether two values of JSON are equal, where true is not 1."""
    match left, right:
        case (bool(), _) | (_, bool()):
            return left is right
        case dict(), dict():
            one, other = cast("dict[str, Any]", left), cast("dict[str, Any]", right)
            return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
        case list(), list():
            here, there = cast("list[Any]", left), cast("list[Any]", right)
            return len(here) == len(there) and all(map(same, here, there))
        case _:
            return left == right


@given(one=values, other=values)
def test_different_values_have_different_keys(one: Any, other: Any) -> None:
    assert (key(send, body={"x": one}) == key(send, body={"x": other})) == same(one, other)


def test_tool_account_and_occasion_are_part_of_the_key() -> None:
    plain = Identity("shop", {"a": 1})
    keys = {
        effect_key("order", plain, OCCASION),
        effect_key("send", plain, OCCASION),
        effect_key("order", Identity("", {"a": 1}), OCCASION),
        effect_key("order", plain, turn_occasion(SessionKey("a", "s"), "m2")),
        effect_key("order", plain, turn_occasion(SessionKey("a", "s2"), "m")),
        effect_key("order", plain, turn_occasion(SessionKey("a2", "s"), "m")),
    }
    assert len(keys) == 6
    assert all(len(one) == 64 for one in keys)


def test_no_choice_of_names_makes_two_occasions_one() -> None:
    awkward = ["a", '","', "s", 'a","s', "", "\0", "/"]
    made = [
        turn_occasion(SessionKey(agent, session), message)
        for agent in awkward
        for session in awkward
        for message in awkward
    ]
    assert len(set(made)) == len(made)
    assert json.loads(made[0]) == ["turn", "a", "a", "a"]


def test_the_account_may_depend_on_the_arguments() -> None:
    def account(arguments: Any) -> str:
        return f"{arguments['page']} of {arguments['network']}"

    @tool(risk="low", effect=account)
    async def post(page: str, network: Literal["x", "y"] = "x") -> str:
        """Post."""
        return page + network

    assert post.effect is not None
    assert post.effect.identity({"page": "p"}).account == "p of x"


def test_arguments_that_no_row_could_hold_are_refused() -> None:
    with pytest.raises(InvalidArguments, match="too long"):
        key(order, item="x" * ARGUMENTS_LIMIT)
