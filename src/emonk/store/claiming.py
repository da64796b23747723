"""Turns that were granted to somebody who cannot use them go back at once, where a session's jobs run in order."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from emonk.errors import InvalidConfig, Unavailable
from emonk.events import Event
from emonk.records import Lease
from emonk.store.grant import Granted
from emonk.store.protocol import Claimed

T = TypeVar("T")
Release = Callable[[list[Lease]], asyncio.Future[None]]
"""Hands over a job that gives leases back. It looks at the list when it runs: after the job that granted them."""


async def unless_cancelled(answer: asyncio.Future[T], granted: list[Lease], release: Release) -> T:
    """The answer of a job that fills `granted`; a caller that is cancelled meanwhile cannot use its lease."""
    try:
        return await answer
    except asyncio.CancelledError:
        _give_back(granted, release)
        raise


def claimed(grant: Granted, release: Release, said: Event | None = None) -> Claimed:
    """What the owner gets; who cannot read the log cannot use the lease either. `said`: see `Granted.claimed`.

    Raises:
        InvalidConfig: an event cannot be read.
    """
    try:
        return grant.claimed(said)
    except InvalidConfig:
        _give_back([grant.lease], release)
        raise


def _give_back(granted: list[Lease], release: Release) -> None:
    try:
        release(granted).add_done_callback(_ignore_error)
    except Unavailable:  # closed meanwhile: the lease expires by itself
        return


def _ignore_error(answer: asyncio.Future[None]) -> None:
    """Nobody waits for it: a lease that could not be given back expires by itself."""
    if not answer.cancelled():
        answer.exception()
