"""The standard streams, in whatever state the process was given them."""

import os
import sys
from pathlib import Path


def open_streams() -> bool:
    """Make the streams usable by all commands; False if there is nowhere to write to.

    Python leaves None where a stream is closed, and the next file to be opened would get its number.
    """
    nothing = Path(os.devnull)
    if sys.stdin is None:
        sys.stdin = nothing.open(encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = nothing.open("w", encoding="utf-8")
    if sys.stdout is None:
        return False
    reconfigure = getattr(sys.stdout, "reconfigure", None)  # what a test puts there may have none
    if reconfigure is not None:
        reconfigure(errors="replace")
    return True


def output_failure() -> OSError | None:
    """Why what was said cannot be written; None if it can."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return error
    return None


def discard_output() -> None:
    """Write no more, also when the interpreter flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
