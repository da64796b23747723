r"""Half characters in JSON: an escape such as `\ud800` without its other half, as models that were cut off write it.

RFC 8259, 8.2 leaves open what a reader makes of it. A strict one refuses the whole answer, which is paid for by then.
"""

import re
from collections.abc import Callable
from typing import TypeVar

import msgspec

T = TypeVar("T")

# A pair, half of one, or any other escape, so that an escaped backslash begins none.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)
_REPLACEMENT = rb"\ufffd"


def decoded(decode: Callable[[bytes], T], raw: bytes) -> T:
    """What `decode` makes of JSON, U+FFFD in place of half characters.

    Raises:
        msgspec.MsgspecError: it is not what is to be decoded.
        ValueError: it is no UTF-8.
        RecursionError: it is nested too deep.
    """
    try:
        return decode(raw)
    except (msgspec.MsgspecError, ValueError):
        mended = mend(raw)
        if mended == raw:
            raise
        return decode(mended)


def mend(raw: bytes) -> bytes:
    """JSON with U+FFFD in place of half characters."""
    return _ESCAPE.sub(lambda found: _REPLACEMENT if found[1] else found[0], raw)
