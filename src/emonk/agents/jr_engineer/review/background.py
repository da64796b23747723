"""A review for an event loop: in a thread, and gone with the task that asked for it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from emonk.agents.jr_engineer.review import engine
from emonk.agents.jr_engineer.review.findings import Review
from emonk.agents.jr_engineer.review.processes import Cancelled, Processes


async def review_in_thread(
    path: Path, base: str, head: str, *, commits: int = 1, progress: Callable[[str], None]
) -> Review:
    """As `engine.review`; cancelling the task kills the children and waits until the thread has ended."""
    loop = asyncio.get_running_loop()
    processes = Processes()

    def tell(stage: str) -> None:
        loop.call_soon_threadsafe(progress, stage)

    running = asyncio.create_task(
        asyncio.to_thread(engine.review, path, base, head, commits=commits, progress=tell, processes=processes)
    )
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        processes.cancel()
        await _ended(running)
        raise


async def _ended(running: asyncio.Task[Review]) -> None:
    try:
        await running
    except Cancelled:
        return
