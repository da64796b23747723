"""How long 10,000 turns in a world that fails take: `python benchmarks/simulator.py [SEEDS]` prints one JSON object.

The seeds run on all cores, as in `emonk sim`; the time is that of the wall, the start of the processes included. What
has not ended after a few minutes is given up, and the exit status is 1, as it is where an invariant broke.
"""

import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from emonk.testing.simulator.processes import cores, spread
from emonk.testing.simulator.run import Report
from emonk.testing.simulator.steps import kinds

SEEDS = 720
"""A little more than 10,000 turns."""

TURNS = 10_000
TARGET = 90.0
PATIENCE = 240.0
"""Seconds after which the rest of the seeds is given up."""

AGENT = """\
agent:
  name: traveller
  llm: {model: gemini:gemini-2.5-pro, worker: gemini:gemini-2.0-flash, fallback: offline, unpriced: allow}
  skills_dir: skills
"""
SKILL = """\
---
name: travel
description: Plan and book journeys.
risk: low
tools:
  - {script: tool.sh, name: find_trains, description: Find trains., idempotent: true, parameters: {to: {type: string}}}
  - {script: tool.sh, name: book_train, description: Book a train., parameters: {to: {type: string}}}
  - {script: tool.sh, name: post, description: Post, effect: page, reconcile: tool.sh, parameters: {to: {type: string}}}
  - {script: tool.sh, name: notify, description: Tell it., effect: true, parameters: {to: {type: string}}}
  - {script: tool.sh, name: pay, description: Pay for it., risk: high, parameters: {euros: {type: number}}}
---
"""


def main() -> int:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS
    with tempfile.TemporaryDirectory() as directory:
        file = write_agent(Path(directory))
        report = Report()
        started = time.perf_counter()
        whole = asyncio.run(in_time(file, seeds, report))
        seconds = time.perf_counter() - started
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    paced = seconds * TURNS / max(1, report.messages)
    found = {
        "cores": cores(),
        "seeds": report.seeds,
        "turns": report.messages,
        "model_calls": report.requests,
        "crashes": report.crashes.total(),
        "killed_after": {kind: report.crashes[kind] for kind in sorted({*kinds(), *report.crashes})},
        "virtual_hours": round(report.seconds / 3600, 1),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(spent.ru_utime + spent.ru_stime, 1),
        "seconds_per_10000_turns": round(paced, 1),
        "broken": {outcome.seed: outcome.broken.invariant for outcome in report.broken if outcome.broken},
        "target": TARGET,
    }
    print(json.dumps(found, indent=2))
    if not whole:
        print(f"given up after {PATIENCE:g} s, {report.seeds} of {seeds} seeds", file=sys.stderr)
    return int(bool(report.broken) or paced > TARGET or not whole)


async def in_time(file: Path, seeds: int, report: Report) -> bool:
    """Run all seeds; whether there was time for it."""
    try:
        async with asyncio.timeout(PATIENCE):
            await spread(file, 0, seeds, report.add)
    except TimeoutError:
        return False
    return True


def write_agent(folder: Path) -> Path:
    skill = folder / "skills" / "travel"
    skill.mkdir(parents=True)
    (skill / "SKILL.md").write_text(SKILL)
    (skill / "tool.sh").write_text("exit 1\n")
    file = folder / "agent.yaml"
    file.write_text(AGENT)
    return file


if __name__ == "__main__":
    sys.exit(main())
