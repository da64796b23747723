"""Arguments made from a schema pass the tool's own check, and those made to fail do not."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from random import Random
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emonk.errors import InvalidArguments
from emonk.skills.signature import read
from emonk.testing.simulator.arguments import fitting, misfitting, value


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Place(msgspec.Struct):
    city: str
    floor: int | None = None


async def everything(
    text: str,
    number: int,
    share: float,
    sure: bool,
    colour: Colour,
    size: Literal["s", "m"],
    place: Place,
    places: list[Place],
    named: dict[str, int],
    few: Annotated[int, msgspec.Meta(ge=3, le=4)],
    small: Annotated[int, msgspec.Meta(le=-5)],
    long: Annotated[str, msgspec.Meta(min_length=12)],
    short: Annotated[str, msgspec.Meta(max_length=2)],
    some: Annotated[list[int], msgspec.Meta(min_length=2)],
    either: int | str = 3,
    optional: str | None = None,
) -> None:
    """Take every kind of argument."""


async def formats(
    day: date,
    moment: datetime,
    hour: time,
    span: timedelta,
    key: UUID,
    price: Decimal,
    days: list[date],
    numbered: dict[int, str],
    two: Annotated[dict[str, int], msgspec.Meta(min_length=2)],
    closed: Annotated[int, msgspec.Meta(gt=3, lt=5)],
) -> None:
    """Take what the schema tells in words only."""


async def nothing() -> None:
    """Take none."""


@pytest.mark.parametrize("function", [everything, formats, nothing])
@given(seed=st.integers(0, 10**9))
def test_what_fits_passes_and_what_does_not_is_refused(function: Any, seed: int) -> None:
    parameters = read(function, "tool").parameters
    parameters.validate(fitting(parameters.schema, Random(seed)))
    with pytest.raises(InvalidArguments):
        parameters.validate(misfitting(parameters.schema, Random(seed)))


@pytest.mark.parametrize("schema", [True, False, {"enum": []}, {"anyOf": []}, {"type": "array", "items": False}, {}])
def test_a_schema_that_says_nothing_does_not_stop_the_run(schema: Any) -> None:
    assert isinstance(value({"type": "array", "items": schema, "minItems": 1}, Random(1)), list)


def test_a_number_in_an_empty_range_does_not_stop_the_run() -> None:
    assert isinstance(value({"type": "integer", "minimum": 5, "maximum": 1}, Random(1)), int)
