"""Ages are read as people write them."""

import pytest

from emonk import Agent
from emonk.agent.expiry import SessionsSection, age
from emonk.errors import InvalidConfig


@pytest.mark.parametrize(
    ("text", "seconds"), [("90d", 7_776_000), ("12h", 43_200), ("30 m", 1800), ("45s", 45), (" 2w ", 1_209_600)]
)
def test_an_age_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert age("x", text) == seconds


@pytest.mark.parametrize("text", ["", "90", "d", "0d", "-1d", "1.5d", "1y", "9999999d", "1d\n1d", "x" * 10_000])
def test_what_is_no_age_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidConfig, match=r"sessions\.expire_after is") as caught:
        SessionsSection(text)
    assert len(str(caught.value)) < 200
    with pytest.raises(InvalidConfig, match="expire_after is"):
        Agent("a", expire_after=text)


def test_sessions_are_kept_unless_somebody_says_otherwise() -> None:
    assert SessionsSection().expire_after is None
    assert Agent("a").expire_after is None
