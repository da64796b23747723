"""Days and instants as the ledger counts them: UTC microseconds."""

from datetime import UTC, date, datetime, time, timedelta

import msgspec

from emonk.clock import MICROSECONDS
from emonk.errors import InvalidArguments

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Period(msgspec.Struct, frozen=True):
    """From `since` (included) to `until` (excluded), in UTC microseconds; None is open."""

    since: int | None = None
    until: int | None = None

    @property
    def resets(self) -> str:
        """When there is a new one, in words; empty where there is none."""
        if self.until is None:
            return ""
        return f"{datetime.fromtimestamp(self.until / MICROSECONDS, UTC):%Y-%m-%d %H:%M} UTC"


EVER = Period()


def period(start: date | None, end: date | None) -> Period:
    """The period of two days, both included, or of two instants, of which the end is not.

    Raises:
        InvalidArguments: something that is no date, an instant without a time zone, or an end before the start.
    """
    since = None if start is None else _microseconds("start", start, ends=False)
    until = None if end is None else _microseconds("end", end, ends=True)
    least = 0 if isinstance(end, datetime) else 1
    if since is not None and until is not None and until < since + least:
        raise InvalidArguments(f"the end {end} is before the start {start}")
    return Period(since, until)


def day_of(microseconds: int) -> date:
    """The UTC day of an instant."""
    return datetime.fromtimestamp(microseconds // MICROSECONDS, UTC).date()


def day_at(now: float) -> Period:
    """The UTC day of an instant, in seconds since 1970."""
    start = int(now // 86_400) * 86_400
    return Period(start * MICROSECONDS, (start + 86_400) * MICROSECONDS)


def month_at(now: float) -> Period:
    """The UTC month of an instant, in seconds since 1970."""
    at = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    after = at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1)
    return Period(int(at.timestamp()) * MICROSECONDS, int(after.timestamp()) * MICROSECONDS)


def _microseconds(which: str, at: object, *, ends: bool) -> int:
    match at:
        case datetime():
            if at.tzinfo is None:
                hint = "write datetime(..., tzinfo=UTC), or give a date, which is a day in UTC"
                raise InvalidArguments(f"{which} {at.isoformat()} has no time zone", hint=hint)
            instant = at
        case date():
            if ends and at == date.max:
                raise InvalidArguments(f"{which} {at} is too late", hint="leave it out to have no end")
            instant = datetime.combine(at + timedelta(days=1) if ends else at, time(), UTC)
        case _:
            raise InvalidArguments(f"{which} {at!r} is no date", hint="give a date, or a datetime with a time zone")
    return (instant - _EPOCH) // _MICROSECOND
