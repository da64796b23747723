import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonk.config import substitute
from emonk.errors import InvalidConfig


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("${A}", "1"),
        ("x${A}y${B:-two}", "x1ytwo"),
        ("${EMPTY}", ""),
        ("${EMPTY:-default}", "default"),
        ("${B:-}", ""),
        ("${B:-a:-b $ c}", "a:-b $ c"),
        ("costs $5 or $A", "costs $5 or $A"),
        ("$$", "$"),
        ("$${A}", "${A}"),
        ("$$${A}", "$1"),
        ("${DOLLAR}", "${A}"),
    ],
)
def test_substitution(text: str, expected: str) -> None:
    assert substitute(text, {"A": "1", "EMPTY": "", "DOLLAR": "${A}"}) == expected


@pytest.mark.parametrize("text", ["${", "${}", "${1}", "${A", "${A-x}", "${A B}"])
def test_a_broken_variable_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfig, match=r"cannot be read"):
        substitute(text, {"A": "1"})


@settings(deadline=None)
@given(st.text())
def test_a_value_is_never_looked_through_for_variables(value: str) -> None:
    assert substitute("<${A}>", {"A": value}) == f"<{value}>"


@settings(deadline=None)
@given(st.text())
def test_doubling_every_dollar_keeps_any_text(text: str) -> None:
    assert substitute(text.replace("$", "$$"), {}) == text
