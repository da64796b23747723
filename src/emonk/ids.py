"""Identifiers that sort by the time they were made."""

import os
import time

_DIGITS, _CHUNKS = 32, 64
_pool: list[str] = []


def _fetch() -> str:
    """32 random hex digits, fetched many at a time: a turn needs several, and each fetch is a system call."""
    fetched = os.urandom(_DIGITS // 2 * _CHUNKS).hex()
    _pool.extend([fetched[at : at + _DIGITS] for at in range(_DIGITS, len(fetched), _DIGITS)])
    return fetched[:_DIGITS]


# Of a random digit, the two bits that say nothing of the variant.
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}

# A forked child must not hand out what its parent will.
os.register_at_fork(after_in_child=_pool.clear)


def uuid7() -> str:
    """A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then version, variant and 74 random bits."""
    chance = _pool.pop() if _pool else _fetch()
    made = f"{time.time_ns() // 1_000_000:012x}"
    return f"{made[:8]}-{made[8:]}-7{chance[:3]}-{_VARIANT[chance[3]]}{chance[4:7]}-{chance[7:19]}"


def time_of(identifier: str) -> int | None:
    """UTC microseconds at which a UUIDv7 was made, to the millisecond; None for what cannot be one."""
    try:
        return int(identifier[:8] + identifier[9:13], 16) * 1000 if identifier[14] == "7" else None
    except (ValueError, IndexError):
        return None


def trace_id() -> str:
    """16 bytes in hex, random but for the last, so never all zero (W3C Trace Context)."""
    return (_pool.pop() if _pool else _fetch())[:30] + "01"
