"""The cassette that this process records to or answers from. Set by whoever composes, before models are made."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emonk.models.cassette.cassette import Cassette

_inserted: "list[Cassette]" = []

NO_KEY = "cassette"
"""What stands in for a key while answers come from a cassette: it is sent nowhere."""


@contextmanager
def inserted(cassette: "Cassette | None") -> Generator[None]:
    """Models that are made meanwhile use this cassette, or none."""
    before = _inserted[:]
    _inserted[:] = [cassette] if cassette is not None else []
    try:
        yield
    finally:
        _inserted[:] = before


def current() -> "Cassette | None":
    """The cassette that is in, if one is."""
    return _inserted[0] if _inserted else None


def replaying() -> bool:
    """Whether answers come from a cassette, so that no key is needed and nothing is billed."""
    return bool(_inserted) and not _inserted[0].records
