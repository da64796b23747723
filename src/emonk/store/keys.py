"""The order of keys: by code points, which is that of their bytes in UTF-8."""

_LAST = "\U0010ffff"


def end_of(prefix: str) -> str | None:
    """The first text after all that start with the prefix; None when nothing comes after them."""
    kept = prefix.rstrip(_LAST)
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    if 0xD800 <= following <= 0xDFFF:  # halves of characters, which no text holds
        following = 0xE000
    return kept[:-1] + chr(following)
