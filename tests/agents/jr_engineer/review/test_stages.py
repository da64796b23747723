"""What a terminal sees of a review that takes its time."""

import io

from emonk.agents.jr_engineer.review.stages import shown


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_quick_review_shows_nothing() -> None:
    stream = Terminal()
    with shown(stream, patience=600) as tell:
        assert tell is not None
        tell("reading the diff")
    assert stream.getvalue() == ""


def test_a_slow_one_shows_each_stage_and_clears_the_line() -> None:
    stream = Terminal()
    with shown(stream, patience=0) as tell:
        assert tell is not None
        tell("reading the diff")
        while "reading the diff ..." not in stream.getvalue():
            tell("reading the diff")
        tell("running ruff")
    assert stream.getvalue().endswith("\r\x1b[Krunning ruff ...\r\x1b[K")


def test_without_a_terminal_nobody_is_told() -> None:
    with shown(io.StringIO()) as tell:
        assert tell is None
