"""How long sessions are kept."""

import re
from datetime import timedelta

import msgspec

from emonk.errors import InvalidConfig

_AGE = re.compile(r"([1-9][0-9]{0,5})\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class SessionsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`agent.sessions` of an agent's file.

    Attributes:
        expire_after: sessions that were not active for so long are removed, such as `90d`; None keeps them.

    Raises:
        InvalidConfig: that is no age.
    """

    expire_after: str | None = None

    def __post_init__(self) -> None:
        if self.expire_after is not None:
            age("sessions.expire_after", self.expire_after)


def age(name: str, text: str) -> float:
    """Seconds of an age such as `90d`, `12h` or `30m`; `name` is what the message calls it.

    Raises:
        InvalidConfig: it is none.
    """
    found = _AGE.fullmatch(text.strip()) if isinstance(text, str) else None  # pyright: ignore[reportUnnecessaryIsInstance]
    if found is None:
        raise InvalidConfig(f"{name} is {text!r:.80}", hint="a whole number with s, m, h, d or w, such as 90d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])}).total_seconds()
