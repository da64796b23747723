"""Many seeds on all cores: a process for each, which prints an outcome for each seed, as a line of JSON.

`python -m emonk.testing.simulator.processes AGENT_FILE FIRST COUNT STEP` is such a process.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from emonk.agent import Agent
from emonk.errors import Unavailable
from emonk.testing.simulator.run import Outcome, try_seed

WORTH_IT = 40
"""Seeds for which a further process pays for its start."""

_LINE_LIMIT = 1 << 26
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Outcome)


def cores() -> int:
    """How many processes can run at once."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


async def spread(file: Path, first: int, count: int, seen: Callable[[Outcome], object]) -> None:
    """Run the seeds from `first` on in processes; `seen` gets each outcome as it is there, in no order.

    Raises:
        Unavailable: a process ended before it was done.
    """
    workers = min(cores(), -(-count // WORTH_IT))
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(workers):
                arguments = (file, first + number, len(range(number, count, workers)), workers)
                group.create_task(_work(tuple(map(str, arguments)), seen))
    except ExceptionGroup as failed:
        if isinstance(failed.exceptions[0], Unavailable):
            raise failed.exceptions[0] from None
        raise


async def _work(arguments: tuple[str, ...], seen: Callable[[Outcome], object]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __spec__.name, *arguments, stdout=asyncio.subprocess.PIPE, limit=_LINE_LIMIT
    )
    stdout = process.stdout
    try:
        while stdout is not None and (line := await stdout.readline()):
            seen(_decoder.decode(line))
        if await process.wait():
            raise Unavailable(f"a process of the simulation ended with exit code {process.returncode}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def main() -> None:
    """Run every STEPth of the seeds, COUNT in all."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # who started this process reports
    file, first, count, step = sys.argv[1:]
    agent = Agent.from_file(file)
    for number in range(int(count)):
        outcome = try_seed(agent, int(first) + number * int(step))
        sys.stdout.buffer.write(_encoder.encode(outcome) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
