"""Keeps what fails on one file from ending the review of the others."""

import logging
from collections.abc import Callable
from typing import TypeVar

import msgspec

from emonk.agents.jr_engineer.review.processes import Cancelled
from emonk.agents.jr_engineer.review.visible import cut, one_line
from emonk.errors import EmonkError

T = TypeVar("T")
_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())  # a command without a log says it in its report, not on standard error


class Failed(msgspec.Struct, frozen=True):
    """Why there is no result, for the ledger."""

    reason: str


def attempt(path: str, what: str, work: Callable[[], T]) -> T | Failed:
    """The result of `work`, or what unexpected error it ended with; expected ones go on to the caller.

    Args:
        path: the file that is looked at, for the log.
        what: what is done with it, for the log.
        work: is called once.
    """
    try:
        return work()
    except (EmonkError, Cancelled):
        raise
    except Exception as error:  # noqa: BLE001  whatever a stranger's file breaks, the other files are reviewed
        reason = f"{type(error).__name__}: {cut(one_line(str(error)))}".removesuffix(": ")
        _log.warning("%s of %s failed: %s", what, one_line(path), reason)
        _log.debug("the traceback", exc_info=error)
        return Failed(reason)
