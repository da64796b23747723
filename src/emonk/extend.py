"""What an agent may add to the faces of emonk: declared here, composed by the command line and the gateway."""

import os
from collections.abc import Awaitable, Callable
from typing import Any, TextIO

import msgspec


class Command(msgspec.Struct, frozen=True):
    """A command line command, shown as `emonk NAME`.

    `run` is a function with Typer annotations; its docstring is the help.
    """

    name: str
    run: Callable[..., Any]


class Page(msgspec.Struct, frozen=True):
    """A page of the gateway, behind the same sign-in as the chat.

    `render` returns the HTML of the page's body; it is trusted, so it must escape what it shows.
    """

    path: str
    title: str
    render: Callable[[], Awaitable[str]]


def styled(stream: TextIO) -> bool:
    """Whether colours may go to the stream: a terminal that is not dumb, and NO_COLOR is not set (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
