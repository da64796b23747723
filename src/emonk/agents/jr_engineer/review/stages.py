"""Shows the stage of a review on a terminal once it takes longer than a second."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TextIO

PATIENCE = 1.0
"""Seconds without a word."""


class _Line:
    """The one line that is overwritten."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._stage = ""
        self._open = False

    def tell(self, stage: str) -> None:
        with self._lock:
            self._stage = stage
            if self._open:
                self._draw(stage)

    def reveal(self) -> None:
        with self._lock:
            self._open = True
            self._draw(self._stage)

    def clear(self) -> None:
        with self._lock:
            if self._open:
                self._draw("")

    def _draw(self, stage: str) -> None:
        self._stream.write(f"\r\x1b[K{stage}{' ...' if stage else ''}")
        self._stream.flush()


@contextmanager
def shown(stream: TextIO, *, patience: float = PATIENCE) -> Generator[Callable[[str], None] | None]:
    """A callback for the stages; None where nobody watches.

    Args:
        stream: standard error.
        patience: seconds.
    """
    if not stream.isatty():
        yield None
        return
    line = _Line(stream)
    timer = threading.Timer(patience, line.reveal)
    timer.daemon = True
    timer.start()
    try:
        yield line.tell
    finally:
        timer.cancel()
        timer.join()
        line.clear()
