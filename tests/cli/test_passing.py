"""The line that says how far something is."""

import io
import re
import sys
from threading import Event

import pytest

from emonk.cli import passing
from emonk.cli.passing import PassingLine, Progress


class Screen(io.StringIO):
    """A terminal that tells when something was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.written.set()
        return super().write(text)

    @property
    def lines(self) -> list[str]:
        return self.getvalue().split("\r\x1b[K")


def screen_of(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """Standard error as a terminal on which no silence is kept; to be called in the test, where it is captured."""
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(passing, "SILENT_SECONDS", 0.0)
    return screen


def test_a_line_takes_the_place_of_the_last_and_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = screen_of(monkeypatch)
    line = PassingLine()
    for text in ("one", "one", "two"):
        line.show(text)
    line.clear()
    line.clear()
    assert screen.lines == ["", "one", "two", ""]


@pytest.mark.parametrize("waiting", [{"silent": 1e9}, {"silent": 0.0, "pace": 1e9}])
def test_nothing_is_shown_at_first_and_then_not_too_often(
    monkeypatch: pytest.MonkeyPatch, waiting: dict[str, float]
) -> None:
    screen = screen_of(monkeypatch)
    line = PassingLine(**waiting)
    for text in ("one", "two", "three"):
        line.show(text)
    assert screen.lines == ["", "one"][: 2 if "pace" in waiting else 1]


def test_rounds_are_told_as_one_way_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = screen_of(monkeypatch)
    with Progress("learning", rounds=2) as progress:
        for part in (0.0, 0.5, 0.9, 0.0, 0.5, 1.0):
            progress.told(part)
    shown = re.findall(r"learning: (\d+)%, \d+ s", screen.getvalue())
    assert list(dict.fromkeys(shown)) == ["0", "25", "45", "50", "75", "100"]


def test_what_says_nothing_of_itself_is_shown_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = screen_of(monkeypatch)
    with Progress("reading"):
        assert screen.written.wait(30)
    assert screen.lines[1].startswith("reading, ")
    assert screen.lines[-1] == ""


@pytest.mark.parametrize("off", ["pipe", "quiet"])
def test_off_a_terminal_or_for_json_nothing_is_written(monkeypatch: pytest.MonkeyPatch, off: str) -> None:
    screen = screen_of(monkeypatch)
    if off == "pipe":
        monkeypatch.setattr(screen, "isatty", bool)
    with Progress("learning", quiet=off == "quiet") as progress:
        progress.told(0.5)
    assert screen.getvalue() == ""
