"""Finds what X turns into links, in any text, with and without a scheme.

The rules are those of twitter-text 3.1 (https://github.com/twitter/twitter-text, Apache-2.0: the extractor of URLs and
its conformance cases); the code is ours, because the published patterns take quadratic time on text without dots.
"""

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from string import ascii_letters, digits
from typing import NamedTuple

Span = tuple[int, int]

_MAX_URL = 4096
_MAX_LABEL = 63
_MAX_TCO_SLUG = 40

_SPACES = "\t-\r \x85\xa0\u1680\u180e\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_DIRECTIONAL = "\u202a-\u202e\u061c\u200e\u200f\u2066-\u2069"
_INVALID = "\ufffe\ufeff\uffff"
_LATIN = (
    "\xc0-\xd6\xd8-\xf6\xf8-\u024f\u0253\u0254\u0256\u0257\u0259\u025b\u0263\u0268\u026f\u0272\u0289\u028b\u02bb"
    "\u0300-\u036f\u1e00-\u1eff"
)
_CYRILLIC = "\u0400-\u04ff"

# As in JavaScript: the case of ASCII letters only, so that the long s is no s.
_ANY_CASE = re.IGNORECASE | re.ASCII
_RUN = re.compile(rf"[^!'#%&()*+,\\/:;<=>?@\[\]^{{|}}~${_SPACES}{_INVALID}{_DIRECTIONAL}]+")
_SCHEME = re.compile(r"https?://\Z", _ANY_CASE)
_NEVER_BEFORE = frozenset(ascii_letters + digits + "@\uff20$#\uff03" + _INVALID)
_NEVER_BEFORE_BARE = frozenset("-_./")
_NOT_IN_NAME = frozenset("-_")
_ALNUM = re.compile("[0-9A-Za-z]*")
_AFTER_TLD = re.compile("[^0-9A-Za-z@+-]|\\Z")
_PUNYCODE_TLD = re.compile("xn--[-0-9a-z]+", _ANY_CASE)
_ASCII_LABELS = re.compile(rf"(?:[-a-z0-9{_LATIN}]++\.)++", _ANY_CASE)
_GENERAL = rf"[a-z{_CYRILLIC}0-9!*';:=+,.$/%#\[\]\-\u2013_~@|&{_LATIN}]"
_PARENS = rf"\((?:{_GENERAL}++|{_GENERAL}*+\({_GENERAL}++\){_GENERAL}*+)\)"
_PORT = re.compile(":[0-9]+")
_PATH = re.compile(rf"/(?:{_GENERAL}|{_PARENS})*+", _ANY_CASE)
_PATH_PART = re.compile(rf"{_GENERAL}++|{_PARENS}", _ANY_CASE)
_PATH_REST = re.compile(rf"[^+\-a-z{_CYRILLIC}0-9=_#/{_LATIN}]+\Z", _ANY_CASE)
_QUERY = re.compile(r"\?[a-z0-9!?*'@();:&=+$/%#\[\]\-_.,~|]*+", _ANY_CASE)
_QUERY_REST = re.compile(r"[^a-z0-9\-_&=#/]+\Z", _ANY_CASE)
_OTHER_DOTS = re.compile("[\u3002\uff0e\uff61]")
_TCO = re.compile(r"https?://t\.co/([a-z0-9]++)", _ANY_CASE)


class _Match(NamedTuple):
    start: int
    domain: int
    domain_end: int
    path_end: int
    end: int


def find_links(text: str) -> list[Span]:
    """Where the links of `text` (in NFC) begin and end, in order."""
    links: list[Span] = []
    free = 0
    for run in _RUN.finditer(text):
        labels = _labels(text, max(run.start(), free), run.end())
        tlds = [_tld_end(text, *label) for label in labels]
        far = _farthest(text, labels, tlds)
        for index, (first, last) in enumerate(labels[:-1]):
            start, end = _domain(text, max(first, free), last, tlds[index + 1], far[index], free)
            if start < end:
                scheme = _scheme_start(text, start, free) if start == run.start() else None
                match = _with_path(text, start if scheme is None else scheme, start, end)
                links += _accepted(text, match)
                free = match.end
    return links


def _domain(text: str, first: int, last: int, near: int, far: int, free: int) -> Span:  # noqa: PLR0917 - offsets
    """The domain that begins in the label from `first` to `last`; empty when none does.

    It ends at `far` when there are more labels before its top-level domain, else at `near`; 0 stands for neither.
    No character before `free` may belong to it, nor be the one before it.
    """
    none = (0, 0)
    if first >= last or text[last - 1] in _NOT_IN_NAME or not (near or far):
        return none
    start = _first_start(text, first, last, free)
    if start is not None and not far and (underscore := text.rfind("_", start, last)) >= 0:
        start = _first_start(text, underscore + 1, last, free)
    return none if start is None else (start, far or near)


def _labels(text: str, begin: int, end: int) -> list[Span]:
    labels: list[Span] = []
    while (dot := text.find(".", begin, end)) >= 0:
        labels.append((begin, dot))
        begin = dot + 1
    return [*labels, (begin, end)]


def _farthest(text: str, labels: list[Span], tlds: list[int]) -> list[int]:
    """For each label, where the longest domain ends that begins there and has more labels before its TLD; or 0."""
    far = [0] * len(labels)
    for index in range(len(labels) - 3, -1, -1):
        name = text[slice(*labels[index + 1])]
        if name and name[0] not in _NOT_IN_NAME and name[-1] not in _NOT_IN_NAME:
            far[index] = far[index + 1] or (0 if "_" in name else tlds[index + 2])
    return far


def _first_start(text: str, first: int, last: int, free: int) -> int | None:
    """Where a link may begin in a label: after a character that may stand before one, or else at the text's start."""
    if first == 0 and free == 0 and last > 1 and text[0] not in _NEVER_BEFORE and text[1] not in _NOT_IN_NAME:
        return 1
    for start in range(first, last):
        before = start == 0 or (start > free and text[start - 1] not in _NEVER_BEFORE)
        if before and text[start] not in _NOT_IN_NAME:
            return start
    return None


def _scheme_start(text: str, start: int, free: int) -> int | None:
    scheme = _SCHEME.search(text, max(start - 8, free), start)
    if scheme is None:
        return None
    at = scheme.start()
    return at if at == 0 or (at > free and text[at - 1] not in _NEVER_BEFORE) else None


def _tld_end(text: str, first: int, last: int) -> int:
    """Where the top-level domain ends with which a label begins; 0 when it begins with none."""
    ascii_tlds, other_tlds, longest = _tlds()
    alnum = _ALNUM.match(text, first, last)
    if alnum and alnum[0].lower() in ascii_tlds and _AFTER_TLD.match(text, alnum.end()):
        return alnum.end()
    if punycode := _PUNYCODE_TLD.match(text, first, last):
        return punycode.end()
    for end in range(min(first + longest, last), first, -1):
        if text[first:end].lower() in other_tlds and _AFTER_TLD.match(text, end):
            return end
    return 0


@cache
def _tlds() -> tuple[frozenset[str], frozenset[str], int]:
    lines = files(__package__ or "").joinpath("tlds.txt").read_text("utf-8").splitlines()
    names = frozenset(name for line in lines if not line.startswith("#") for name in line.split())
    others = frozenset(name for name in names if not name.isascii())
    return names - others, others, max(map(len, others))


def _with_path(text: str, start: int, domain: int, domain_end: int) -> _Match:
    end = domain_end
    if port := _PORT.match(text, end):
        end = port.end()
    path_end = 0
    if path := _PATH.match(text, end):
        path_end = end = _path_end(text, *path.span())
    if query := _QUERY.match(text, end):
        kept = _QUERY_REST.sub("", query[0])
        end += len(kept)
    return _Match(start, domain, domain_end, path_end, end)


def _path_end(text: str, start: int, end: int) -> int:
    """The path without punctuation at its end; a pair of brackets ends it only straight after what could end it."""
    kept, complete = start + 1, True
    for part in _PATH_PART.finditer(text, start + 1, end):
        if part[0].startswith("("):
            kept = part.end() if complete else kept
            continue
        trimmed = _PATH_REST.sub("", part[0])
        complete = trimmed == part[0]
        kept = part.start() + len(trimmed) if trimmed else kept
    return kept


def _accepted(text: str, match: _Match) -> Iterator[Span]:
    host = text[match.domain : match.domain_end]
    with_scheme = match.start < match.domain
    length = match.end - match.start + (0 if with_scheme else len("https://"))
    growth = _ascii_growth(host)
    if growth is None or length + growth > _MAX_URL:
        return
    if with_scheme:
        yield from _with_scheme(text, match)
    elif match.start == 0 or text[match.start - 1] not in _NEVER_BEFORE_BARE:
        yield from _bare(host, match)


def _with_scheme(text: str, match: _Match) -> Iterator[Span]:
    tco = _TCO.match(text, match.start, match.end)
    if tco is None:
        yield match.start, match.end
    elif len(tco[1]) <= _MAX_TCO_SLUG:
        query = _QUERY.match(text, tco.end(), match.end)
        yield match.start, tco.end() + (len(_QUERY_REST.sub("", query[0])) if query else 0)


def _bare(host: str, match: _Match) -> Iterator[Span]:
    """Without a scheme only ASCII domains are links, and the last one takes the path."""
    domains = [(match.domain + first, match.domain + last) for first, last in _ascii_domains(host)]
    if domains and match.path_end:
        domains[-1] = domains[-1][0], match.end
    yield from domains


def _ascii_domains(host: str) -> Iterator[Span]:
    position = 0
    while labels := _ASCII_LABELS.search(host, position):
        position = labels.end()
        dots = [at + 1 for at in range(labels.start(), labels.end()) if host[at] == "."]
        for dot in reversed(dots):
            if end := _tld_end(host, dot, len(host)):
                yield labels.start(), end
                position = end
                break


def _ascii_growth(host: str) -> int | None:
    """How many characters the host gains in Punycode; None when it is no host (RFC 3490)."""
    if host.startswith("xn--") and not any(_ascii_domains(host)):
        return None
    growth = 0
    for label in host.split("."):
        size = len(label) if label.isascii() or len(label) > _MAX_LABEL else _punycode_length(label)
        if not 0 < size <= _MAX_LABEL:
            return None
        growth += size - len(label)
    return growth


def _punycode_length(label: str) -> int:
    """Length of a label in Punycode, where ideographic full stops separate labels too, as in the punycode package."""
    parts = _OTHER_DOTS.split(label)
    sizes = [len(part) if part.isascii() else len("xn--") + len(part.encode("punycode", "replace")) for part in parts]
    return sum(sizes) + len(parts) - 1
