"""What a watcher in a terminal sees of a turn."""

import asyncio
import io
import re
from collections.abc import AsyncGenerator

import pytest

from emonk.cli.progress import Screen, watch
from emonk.errors import Unavailable
from emonk.runtime.progress import ModelRetry, ReplyDelta, TurnEvent


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True

    @property
    def shown(self) -> list[str]:
        """The lines as they are left to be seen."""
        lines = re.sub(r"\x1b\[2?2?m", "", self.getvalue()).split("\n")
        return [line.rpartition("\r\x1b[K")[2] for line in lines]


def retry(number: int, *, model: str = "m") -> ModelRetry:
    what = f"asking {model} again ({number})" if number else f"no answer from {model}"
    return ModelRetry(model, number, f"{what}: cannot reach 127.0.0.1: connection refused")


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")


def test_retries_are_one_line_that_the_answer_takes_away() -> None:
    terminal = Terminal()
    screen = Screen(terminal, texts=True)
    for number in (1, 2, 3):
        screen.show(retry(number))
        assert terminal.shown == [f"asking m again ({number}): cannot reach 127.0…"]
    screen.show(ReplyDelta("here\n"))
    assert terminal.shown == ["here", ""]


def test_who_is_given_up_stays_told_with_the_whole_reason() -> None:
    terminal = Terminal()
    screen = Screen(terminal, texts=True)
    screen.show(retry(1))
    screen.show(retry(0))
    assert terminal.shown == ["no answer from m: cannot reach 127.0.0.1: connection refused", ""]


def test_off_a_terminal_each_model_is_told_once() -> None:
    stream = io.StringIO()
    screen = Screen(stream, texts=True)
    for model in ("m", "n"):
        for number in (1, 2, 0):
            screen.show(retry(number, model=model))
    assert [line.partition(":")[0] for line in stream.getvalue().splitlines()] == [
        "asking m again (1)",
        "asking n again (1)",
    ]


def test_a_turn_that_fails_leaves_an_empty_line() -> None:
    async def failing() -> AsyncGenerator[TurnEvent]:
        yield retry(1)
        raise Unavailable("the store is away")

    terminal = Terminal()
    with pytest.raises(Unavailable):
        asyncio.run(watch(failing(), terminal, texts=True))
    assert terminal.shown == [""]
