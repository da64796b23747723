"""What may be written to a terminal, and how."""

import sys
from typing import TextIO

from emonk.extend import styled

_DIRECTIONS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_VISIBLE = {
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"},
    0x7F: "\u2421",
    **{code: f"\\x{code:02x}" for code in range(0x80, 0xA0)},
    **{code: f"\\u{code:04x}" for code in _DIRECTIONS},
}


def visible(text: str) -> str:
    """The text with control and direction characters shown instead of obeyed; lines and tabs stay.

    What a model, a tool or a file says must not move the cursor, recolour the screen or fill the clipboard.
    """
    return text.replace("\r\n", "\n").translate(_VISIBLE)


def one_line(text: str, width: int = 0) -> str:
    """The text on one line, cut to `width` characters if that is above zero."""
    line = " ".join(visible(text).split())
    return line if not width or len(line) <= width else line[: width - 1].rstrip() + "\u2026"


def dim(text: str, stream: TextIO) -> str:
    """The text in a fainter colour, where the stream has colours."""
    return f"\x1b[2m{text}\x1b[22m" if styled(stream) else text


def bold(text: str, stream: TextIO) -> str:
    """The text in a heavier face, where the stream has one."""
    return f"\x1b[1m{text}\x1b[22m" if styled(stream) else text


def say(text: str) -> None:
    """A line on standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """A line on standard error, safe to show, dimmed on a terminal."""
    sys.stderr.write(f"{dim(visible(text), sys.stderr)}\n")
    sys.stderr.flush()
