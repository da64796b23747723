"""What it costs to begin: `python benchmarks/startup.py` prints the measures with their limits.

CPU is that of a child process, user and system, as the median of several runs taken in turns, with bytecode cached.
The exit status is 1 when a measure is over its limit.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

RUNS = 7
SERVER_RUNS = 5
EMONK = str(Path(sys.executable).with_name("emonk"))
TOKEN = "bench"
BARE = [sys.executable, "-c", "pass"]
IMPORT = [sys.executable, "-c", "from emonk import Agent, tool"]
HELP = [EMONK, "--help"]


class Measure(NamedTuple):
    """What was measured, and the most it may be."""

    what: str
    seconds: float
    limit: float | None = None

    @property
    def kept(self) -> bool:
        return self.limit is None or self.seconds <= self.limit

    def __str__(self) -> str:
        if self.limit is None:
            return f"{self.what:<58} {self.seconds:6.3f} s"
        kept = "" if self.kept else "  OVER"
        return f"{self.what:<58} {self.seconds:6.3f} s, {self.seconds / self.limit:4.0%} of {self.limit:.2f} s{kept}"


def cpu(command: list[str], environment: dict[str, str]) -> float:
    """CPU seconds of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def first_reply(environment: dict[str, str]) -> float:
    """Wall seconds from starting a server, on an empty data directory, to its first reply."""
    with tempfile.TemporaryDirectory() as data:
        started = time.perf_counter()
        server = subprocess.Popen(
            [EMONK, "serve", "--port", "0"],
            env=environment | {"EMONK_DATA_DIR": data, "EMONK_TOKEN": TOKEN},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with server:
            try:
                ask(url(server))
                return time.perf_counter() - started
            finally:
                server.terminate()


def url(server: "subprocess.Popen[str]") -> str:
    """Where the server says that it listens."""
    for line in server.stdout or ():
        _, found, rest = line.partition("http://")
        if found:
            return found + rest.split("/")[0].strip()
    raise SystemExit("the server ended before it listened")


def ask(address: str) -> None:
    """Have one message answered by the offline model."""
    request = urllib.request.Request(
        f"{address}/api/chat",
        json.dumps({"agent": "jr-engineer", "session_id": "bench", "message": "What can you do?"}).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        reply = json.load(response)
    if reply["status"] != "done":
        raise SystemExit(f"the first reply is {reply['status']}: {reply['text']}")


def medians(*measured: Callable[[], float], runs: int) -> list[float]:
    """The median of each, all run in turns after one run that fills the caches."""
    rounds = [[measure() for measure in measured] for _ in range(runs + 1)][1:]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


def main() -> int:
    with tempfile.TemporaryDirectory() as cache:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("EMONK_", "PYTHON"))}
        environment |= {"PYTHONPYCACHEPREFIX": cache, "EMONK_DATA_DIR": cache}
        bare, imported, helped = medians(
            lambda: cpu(BARE, environment),
            lambda: cpu(IMPORT, environment),
            lambda: cpu(HELP, environment),
            runs=RUNS,
        )
        (replied,) = medians(lambda: first_reply(environment), runs=SERVER_RUNS)
    measures = (
        Measure("bare interpreter, CPU", bare),
        Measure("from emonk import Agent, tool, CPU beyond the bare one", imported - bare, 0.15),
        Measure("emonk --help, CPU", helped, 0.35),
        Measure("server start to first reply of the offline model, wall", replied, 1.2),
    )
    print(*measures, sep="\n")
    return 0 if all(measure.kept for measure in measures) else 1


if __name__ == "__main__":
    sys.exit(main())
