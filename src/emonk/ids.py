"""Identifiers that sort by the time they were made."""

import os
import time

_CHUNK, _CHUNKS = 16, 64
_pool: list[bytes] = []


def _random() -> bytes:
    """16 random bytes of the system, fetched many at a time: a turn needs several, and each fetch is a system call."""
    try:
        return _pool.pop()
    except IndexError:
        fetched = os.urandom(_CHUNK * _CHUNKS)
        _pool.extend(fetched[at : at + _CHUNK] for at in range(_CHUNK, len(fetched), _CHUNK))
        return fetched[:_CHUNK]


# A forked child must not hand out what its parent will.
os.register_at_fork(after_in_child=_pool.clear)


def uuid7() -> str:
    """A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then version, variant and 74 random bits."""
    chance = _random()[:10]
    text = ((time.time_ns() // 1_000_000).to_bytes(6) + chance).hex()
    variant = "89ab"[chance[2] >> 4 & 3]
    return f"{text[:8]}-{text[8:12]}-7{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


def time_of(identifier: str) -> int | None:
    """UTC microseconds at which a UUIDv7 was made, to the millisecond; None for what cannot be one."""
    try:
        return int(identifier[:8] + identifier[9:13], 16) * 1000 if identifier[14] == "7" else None
    except (ValueError, IndexError):
        return None


def trace_id() -> str:
    """16 bytes in hex, random but for the last, so never all zero (W3C Trace Context)."""
    return _random()[:15].hex() + "01"
