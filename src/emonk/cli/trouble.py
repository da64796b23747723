"""How a command ends when something is wrong: one line on standard error and an exit code."""

import logging
import os
import sys
import traceback
from pathlib import Path

FAILED = 1
USAGE = 2
INTERRUPTED = 130
UNREAD = 141
"""As a shell calls the end of a program that wrote to a closed pipe: no code of ours, and not 1, which judges."""

_log = logging.getLogger("emonk.cli")


class UsageError(Exception):
    """The command cannot do what was asked for; exit code 2."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def report(error: Exception) -> int:
    """Tell a person what went wrong, in one line; the exit code."""
    from emonk.errors import EmonkError, InfraError  # noqa: PLC0415  only when there is something to report

    if debugging():
        traceback.print_exception(error)
    match error:
        case InfraError():
            complain(error.message, error.hint)
            return FAILED
        case EmonkError() | UsageError():
            complain(error.message, error.hint)
            return USAGE
        case _:
            _unexpected(error)
            return FAILED


def complain(message: str, hint: str = "") -> None:
    """One line `error: ...` on standard error."""
    from emonk.cli.terminal import one_line  # noqa: PLC0415

    text = f"error: {message} ({hint})" if hint else f"error: {message}"
    sys.stderr.write(f"{one_line(text)}\n")


def debugging() -> bool:
    """Whether the environment asks for tracebacks."""
    return os.environ.get("EMONK_DEBUG", "") not in {"", "0"}


def log_to_file() -> bool:
    """Send warnings and worse to the log file, or to standard error when debugging; False if they are lost."""
    logging.raiseExceptions = False  # a log that cannot be written is no reason to fill the terminal with tracebacks
    handler = _handler()
    logging.basicConfig(
        handlers=[handler],
        level=logging.INFO if debugging() else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    return not isinstance(handler, logging.NullHandler)


def show_alerts() -> None:
    """Tell whoever runs the command of alerts, too, in a line each on standard error."""
    alerts = logging.getLogger("emonk.alerts")
    if not debugging() and not any(isinstance(handler, _Told) for handler in alerts.handlers):
        alerts.addHandler(_Told(logging.ERROR))


class _Told(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        from emonk.cli.terminal import note, one_line  # noqa: PLC0415

        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")  # over a line that is to be seen for a while only
        note(one_line(record.getMessage()))


def log_file() -> Path:
    """Where what a person does not need to see is written."""
    from emonk.store.connect import data_dir  # noqa: PLC0415

    return data_dir() / "emonk.log"


def _handler() -> logging.Handler:
    if debugging():
        return logging.StreamHandler()
    try:
        log_file().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        log_file().touch(mode=0o600)
        return logging.FileHandler(log_file(), encoding="utf-8")
    except OSError:
        return logging.NullHandler()


def _unexpected(error: Exception) -> None:
    said = f"unexpected {type(error).__name__}: {error}"
    if debugging():
        complain(said)
        return
    kept = log_to_file()
    _log.error("a command failed unexpectedly", exc_info=error)
    complain(said, f"the traceback is in {log_file()}; EMONK_DEBUG=1 shows it" if kept else "EMONK_DEBUG=1 shows where")
