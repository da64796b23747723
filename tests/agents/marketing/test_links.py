"""Facts of the conformance suite of twitter-text 3.1 (twitter/twitter-text on GitHub, Apache-2.0): extract.yml."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonk.agents.marketing.links import find_links

WHOLE = [
    "http://example.com",
    "http://foobar.com/#",
    "http://google.com/#search?q=iphone%20-filter%3Alinks",
    "http://somehost.com:3000",
    "http://xo.com/~matthew+%ff-,.;x",
    "http://en.wikipedia.org/wiki/Primer_(film)",
    "http://✪df.ws/ejp",
    "http://chilp.it/?77e8fd",
    "http://msdn.microsoft.com/ja-jp/library/system.net.httpwebrequest(v=VS.100).aspx",
    "https://www.youtube.com/watch?v=LOxOAuDHzaw&list=PLPoq910Q9jXhuH6pit_KwIsck9fEz_9U-",
    "http://word-and-a-number-8-ftw.domain.com/",
    "http://foo.com?#foo",
    "t.co/abcde",
    "http://example.com/a+",
    "http://example.com/a-",
    "https://en.m.wikipedia.org/wiki/Hatfield–McCoy_feud",  # noqa: RUF001 - the case itself
    "http://twitter.com/Русские_слова",
    "name.al-lastname.com",
    "MLB.tv",
    "ELPAÍS.com",
    "http://sub_domain-dash.twitter.com",
    "http://a_b.c-d.com",
    "http://www.foo.com/bar-path/some.stm?param1=foo;param2=P1|0||P2|0",
    "http://foo.com/bar/123/foo_&_bar/",
    "http://xn--ls8h.XN--ls8h.la/",
    "http://foobar.みんな/",
    "http://foobar.中国/",
    "http://foobar.پاکستان/",
    "https://twitter.한국",
    "https://twitter.vermögensberatung",
    "http://t.co/abcdefghijklmnopqrstuvwxyz0123456789",
    "https://t.co/sadfasdf?a=b&c=d",
    "HTTPS://www.ExaMPLE.COM/index.html",
]

NONE = [
    "http://no-tld",
    "http://tld-too-short.x",
    "http://domain.com-that-you-should-have-put-a-space-after",
    "http://domain-dash_2314352345_dfasd.foo-cow_4352.com",
    "http://xn--はじめよう.com/index.html",
    "Email me at name.al-lastname@foo.com or name.al+lastname@foo.com",
    "http://-leadingdash.twitter.com",
    "http://leadingdash.-twitter.com",
    "http://trailingdash-.twitter.com",
    "http://trailingdash.twitter-.com",
    "http://_leadingunderscore.twitter.com",
    "http://trailingunderscore_.twitter.com",
    "http://trailingunderscore.twitter_.com",
    "http://twitter_underscore.com",
    "http://twitter.c_o_m",
    "#test.com @test.com #http://test.com @http://test.com #t.co/abcde @t.co/abcde",
    "http://t.co/abcdefghijklmnopqrstuvwxyz012345678901234",
    "$http://twitter.com $twitter.com $http://t.co/abcde $t.co/abcde $t.co $TVI.CA $RBS.CA",
    "long.test.tar.bz2 test.tar.bz2 tar.bz2",
    "john.doe.gov@mail.com",
    "john.doe.jp@mail.com",
]

SOME = [
    ("(http://twitter.com", ["http://twitter.com"]),
    ("http://example.comだよね.comtest/hogehoge", ["http://example.com"]),
    ("foo.com foo.net foo.org foo.edu foo.gov", ["foo.com", "foo.net", "foo.org", "foo.edu", "foo.gov"]),
    ("foo.baz foo.co.jp www.foo.co.uk wwwww.xxxxxxx foo.comm foo.jp", ["foo.co.jp", "www.foo.co.uk", "foo.jp"]),
    ("@user Try http:// example.com/path", ["example.com/path"]),
    (
        "これは日本語です。example.com/path/index.html中国語example.com/path한국",
        ["example.com/path/index.html", "example.com/path"],
    ),
    (
        "http://twitter.com/これは日本語です。example.com中国語http://t.co/abcde한국twitter.comテストexample2.comテストhttp://twitter.com/abcde",
        [
            "http://twitter.com/",
            "example.com",
            "http://t.co/abcde",
            "twitter.com",
            "example2.com",
            "http://twitter.com/abcde",
        ],
    ),
    ("twitter.jp日本語it.so中国語foo.jp it.so foo.jp", ["twitter.jp", "it.so", "foo.jp", "it.so", "foo.jp"]),
    ("example.comてすとですtwitter.みんなです", ["example.com", "twitter.みんな"]),
    ("http://twitter.com/.", ["http://twitter.com/"]),
    ("http://example.com/path" + "." * 42, ["http://example.com/path"]),
    ("http://example.com/" + "," * 42, ["http://example.com/"]),
    (
        "http://t.co/pbY2NfTZ's http://t.co/2vYHpAc5; http://t.co/8t7G3ddS#a",
        ["http://t.co/pbY2NfTZ", "http://t.co/2vYHpAc5", "http://t.co/8t7G3ddS"],
    ),
    (
        "http://www.foo.com?referer=https://t.co/abcde http://t.co/xyzzy",
        ["http://www.foo.com?referer=https://t.co/abcde", "http://t.co/xyzzy"],
    ),
    ("http://twitter.com\nexample.com/path\nit.so/abcde", ["http://twitter.com", "example.com/path", "it.so/abcde"]),
    ("\u2066\u202atest abcdef.com پاکستان http://twitter.com/\u202c\u2069", ["abcdef.com", "http://twitter.com/"]),
    ("see example.com/a.(b) or example.com/a_(b).", ["example.com/a", "example.com/a_(b)"]),
]


def links(text: str) -> list[str]:
    return [text[start:end] for start, end in find_links(text)]


@pytest.mark.parametrize("link", WHOLE)
def test_a_link_is_found_whole(link: str) -> None:
    assert links(link) == links(f"text {link}") == links(f"{link} text") == [link]


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_link_is_not_found(text: str) -> None:
    assert links(text) == []


@pytest.mark.parametrize(("text", "expected"), SOME)
def test_links_are_found_among_other_text(text: str, expected: list[str]) -> None:
    assert links(text) == expected


PIECES = st.sampled_from(
    [*"a日.-_/@#$:(),?&é😷 ", "com", "co.jp", "t.co/a", "https://", "xn--a", "みんな", "\u202a", "80"]
)


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join)))
def test_links_of_any_text_are_in_order_and_hold_a_dot_and_no_space(text: str) -> None:
    at = 0
    for start, end in find_links(text):
        assert at <= start < end <= len(text)
        assert "." in text[start:end]
        assert not any(character.isspace() for character in text[start:end])
        at = end


@pytest.mark.parametrize(
    "text",
    [
        "日" * 25_000,
        "a." * 12_500,
        "a.com한_." * 3_000,
        "a.com/" + "(" * 20_000,
        "a.com/" + ".(a)" * 5_000,
        "@日" * 12_500,
    ],
)
def test_a_text_made_to_be_slow_is_read_once(text: str) -> None:
    assert len(find_links(text)) <= 3_000
