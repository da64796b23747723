"""Identifiers that sort by the time they were made."""

import os
import time
from uuid import UUID


def uuid7() -> str:
    """A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then version, variant and 74 random bits."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def made_at(identifier: str) -> int:
    """The Unix milliseconds in a UUIDv7."""
    return UUID(identifier).int >> 80


def trace_id() -> str:
    """16 random bytes in hex, never all zero (W3C Trace Context)."""
    return os.urandom(15).hex() + "01"
