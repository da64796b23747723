import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonk.agents.marketing.drafts import draft_post
from emonk.agents.marketing.posts import LIMITS, check_post
from emonk.errors import InvalidArguments


@pytest.mark.parametrize("platform", LIMITS)
def test_a_draft_holds_the_topic_and_gaps_and_nothing_else(platform: str) -> None:
    draft = draft_post(platform, "our  new\nespresso machine", link="https://example.com/espresso")
    assert draft.text.startswith("our new espresso machine")
    assert draft.text.endswith("\n\nhttps://example.com/espresso")
    assert "[" in draft.text
    assert draft.check == check_post(platform, draft.text)
    assert draft.check.ok
    assert draft.notes == ()


@pytest.mark.parametrize("platform", LIMITS)
def test_a_long_topic_is_shortened_at_a_word_and_said_so(platform: str) -> None:
    draft = draft_post(platform, "espresso " * 1000)
    assert draft.notes == ("topic shortened",)
    assert "espresso…" in draft.text
    assert draft.check.limit - 15 < draft.check.length <= draft.check.limit


def test_too_many_hashtags_lose_their_signs() -> None:
    draft = draft_post("instagram", "#a #b #c #d #e #f")
    assert draft.text.startswith("a b c d e f\n")
    assert draft.notes == ("hashtags and mentions taken out",)


@pytest.mark.parametrize("topic", ["", "  \n", "\ufeff"])
def test_no_topic_is_refused(topic: str) -> None:
    with pytest.raises(InvalidArguments, match="no topic"):
        draft_post("x", topic)


def test_a_link_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(InvalidArguments, match="leaves no room for a post on Instagram"):
        draft_post("instagram", "topic", link="https://example.com/" + "a" * 3000)


@settings(deadline=None)
@given(st.sampled_from(sorted(LIMITS)), st.text(max_size=600), st.sampled_from(["", "https://example.com/{}"]))
def test_a_draft_always_passes_its_own_check(platform: str, topic: str, link: str) -> None:
    try:
        draft = draft_post(platform, topic, link=link)
    except InvalidArguments as refused:
        message = refused.message
    else:
        assert check_post(platform, draft.text).ok
        return
    assert message == "there is no topic to write about"
