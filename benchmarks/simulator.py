"""How long 10,000 turns in a world that fails take: `python benchmarks/simulator.py [SEEDS]` prints one JSON object.

The seeds run on all cores, as in `emonk sim`; the time is that of the wall, the start of the processes included.
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from emonk.testing.simulator.processes import cores, spread
from emonk.testing.simulator.run import Report

SEEDS = 1100
TURNS = 10_000
TARGET = 60.0

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
  - {script: tool.sh, name: pay, description: Pay for it., risk: high, parameters: {euros: {type: number}}}
---
"""


def main() -> int:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS
    with tempfile.TemporaryDirectory() as directory:
        file = write_agent(Path(directory))
        report = Report()
        started = time.perf_counter()
        asyncio.run(spread(file, 0, seeds, report.add))
        seconds = time.perf_counter() - started
    paced = seconds * TURNS / report.messages
    found = {
        "cores": cores(),
        "seeds": report.seeds,
        "turns": report.messages,
        "model_calls": report.requests,
        "virtual_hours": round(report.seconds / 3600, 1),
        "seconds": round(seconds, 1),
        "seconds_per_10000_turns": round(paced, 1),
        "broken": [outcome.seed for outcome in report.broken],
        "target": TARGET,
    }
    print(json.dumps(found, indent=2))
    return int(bool(report.broken) or paced > TARGET)


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
