"""A line on a terminal that says how far something is, and goes away."""

import shutil
import sys
import time
from threading import Event, Lock, Thread
from typing import Self

from emonk.cli.terminal import one_line

SILENT_SECONDS = 1.0
"""What is done by then is told by its result alone."""

TICK_SECONDS = 0.2


class PassingLine:
    """Writes to standard error, if that is a terminal; for a while nothing, and then not too often."""

    def __init__(self, *, silent: float | None = None, pace: float = 0.0) -> None:
        """Begin to wait.

        Args:
            silent: seconds until the first line; those of this module when None.
            pace: seconds from one line to the next.
        """
        self._next = time.monotonic() + (SILENT_SECONDS if silent is None else silent)
        self._pace = pace
        self._shown = ""
        self._writing = Lock()

    def show(self, text: str) -> None:
        """Put a text in place of the last one."""
        with self._writing:
            now = time.monotonic()
            if text == self._shown or now < self._next or not sys.stderr.isatty():
                return
            self._write(one_line(text, shutil.get_terminal_size().columns - 1))
            self._next, self._shown = now + self._pace, text

    def clear(self) -> None:
        """Leave the line empty."""
        with self._writing:
            if self._shown:
                self._write("")
                self._shown = ""

    def _write(self, text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


class Progress:
    """Says what is done, how far it is and for how long, also while it says nothing of itself."""

    def __init__(self, doing: str, *, rounds: int = 1, quiet: bool = False) -> None:
        """What goes on until the end of the `with` block.

        Args:
            doing: such as `learning`.
            rounds: how often `told` goes from 0 to 1, again and again.
            quiet: show nothing, as whoever asks for JSON wants it.
        """
        self._text = self._doing = doing
        self._rounds = rounds
        self._quiet = quiet
        self._ended, self._last = 0, 0.0
        self._from = time.monotonic()
        self._line = PassingLine()
        self._over = Event()
        self._ticks = Thread(target=self._tick, daemon=True)

    def told(self, part: float) -> None:
        """Take in how far this round is; less than before begins another one."""
        self._ended += part < self._last
        self._last = part
        self._text = f"{self._doing}: {min((self._ended + part) / self._rounds, 1):.0%}"
        self._show()

    def __enter__(self) -> Self:
        if not self._quiet:
            self._ticks.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if not self._quiet:
            self._ticks.join()
        self._line.clear()

    def _tick(self) -> None:
        while not self._over.wait(TICK_SECONDS):
            self._show()

    def _show(self) -> None:
        if not self._quiet:
            self._line.show(f"{self._text}, {time.monotonic() - self._from:.0f} s")
