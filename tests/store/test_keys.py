"""Where the keys of a prefix end."""

from hypothesis import given
from hypothesis import strategies as st

from emonk.store.keys import end_of

TEXTS = st.text(alphabet=st.sampled_from("ab\0\ud7ff\ue000\uffff\U00010000\U0010ffff"), max_size=4)


@given(TEXTS, TEXTS)
def test_exactly_the_keys_of_a_prefix_lie_before_its_end(prefix: str, key: str) -> None:
    end = end_of(prefix)
    between = key >= prefix and (end is None or key < end)
    assert between == key.startswith(prefix)


@given(TEXTS)
def test_the_end_is_a_text(prefix: str) -> None:
    (end_of(prefix) or "").encode()
