import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonk.agents.marketing.posts import LIMITS, PostCheck, check_post
from emonk.errors import InvalidArguments


@pytest.mark.parametrize(("platform", "limit"), [("x", 280), ("linkedin", 3000), ("instagram", 2200)])
def test_a_post_fits_up_to_its_limit(platform: str, limit: int) -> None:
    full = check_post(platform, "a" * limit)
    assert full.ok
    assert (full.platform, full.length, full.limit, full.problems) == (platform, limit, limit, ())
    over = check_post(platform, "a" * (limit + 7))
    assert not over.ok
    assert over.problems == (f"7 over the limit: {limit + 7} of {limit}",)


def test_x_counts_by_weight_and_the_others_in_utf_16() -> None:
    text = "日本 😷 https://example.com/a/long/path/that/x/shortens"
    assert check_post("x", text).length == 4 + 1 + 2 + 1 + 23
    assert check_post("linkedin", text).length == check_post("instagram", text).length == len(text) + 1


@pytest.mark.parametrize("name", ["X", " x ", "Twitter", "TWITTER"])
def test_x_has_two_names_in_any_case(name: str) -> None:
    assert check_post(name, "hello").platform == "x"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("LinkdIn", "did you mean linkedin?"),
        ("instergram", "did you mean instagram?"),
        ("facebook", "use x, linkedin or instagram"),
        ("", "use x, linkedin or instagram"),
    ],
)
def test_an_unknown_platform_is_refused_with_the_closest(name: str, hint: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        check_post(name, "hello")
    assert caught.value.hint == hint


@pytest.mark.parametrize("platform", LIMITS)
@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u3000"])
def test_a_blank_post_is_a_problem(platform: str, text: str) -> None:
    assert check_post(platform, text).problems == ("the post is empty",)


@pytest.mark.parametrize("character", ["\ufffe", "\ufeff", "\uffff"])
def test_x_refuses_what_twitter_text_calls_invalid(character: str) -> None:
    problem = f"X refuses the invisible character U+{ord(character):04X}"
    assert check_post("x", f"ABC{character}D{character}").problems == (problem,)
    assert check_post("linkedin", f"ABC{character}").ok


def test_directional_marks_are_no_problem_on_x() -> None:
    assert check_post("x", "\u2066\u202ahttp://foobar.پاکستان/\u202c\u2069").ok


@pytest.mark.parametrize("platform", LIMITS)
def test_half_a_character_is_a_problem_everywhere(platform: str) -> None:
    (problem,) = check_post(platform, "a\ud83d").problems
    assert "U+D83D" in problem


def test_instagram_takes_five_hashtags_unless_told_otherwise() -> None:
    five = "#one #two #three, (#four) #fünf"
    assert check_post("instagram", five).ok
    assert check_post("instagram", f"{five} #六").problems == ("6 hashtags, Instagram takes 5",)
    assert check_post("instagram", f"{five} #six", hashtag_limit=30).ok
    assert check_post("instagram", f"{five}#six").problems, "hashtags need no space between them"
    assert check_post("instagram", f"{five} # &#39; https://example.com/#top").ok
    assert check_post("x", f"{five} #six").ok


def test_instagram_takes_twenty_mentions_and_an_address_is_none() -> None:
    twenty = " ".join(f"@user.{n}" for n in range(20))
    assert check_post("instagram", f"{twenty} me@example.com").ok
    assert check_post("instagram", f"{twenty} @one_more").problems == ("21 mentions, Instagram takes 20",)


def test_what_linkedin_needs_escaped_is_a_note_and_no_problem() -> None:
    check = check_post("linkedin", "50% off (today) #sale")
    assert check.ok
    assert check.notes == (
        "3 reserved characters must be escaped when it is sent, or LinkedIn cuts the post off silently",
    )
    full = check_post("linkedin", "(" * 2 + "a" * 2998)
    assert full.ok
    assert "3002 long" in full.notes[1]


@settings(deadline=None)
@given(st.sampled_from(sorted(LIMITS)), st.text())
def test_any_text_gets_a_check(platform: str, text: str) -> None:
    check = check_post(platform, text)
    assert isinstance(check, PostCheck)
    assert check.ok == (not check.problems)
    assert check.length >= 0


@settings(deadline=None)
@given(st.text(), st.text())
def test_lengths_add_up(first: str, second: str) -> None:
    for platform in ("linkedin", "instagram"):
        both = check_post(platform, first + second).length
        assert both == check_post(platform, first).length + check_post(platform, second).length
