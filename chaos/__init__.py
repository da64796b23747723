"""Real processes that are killed, and crowds of them: what takes too long for every test run."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
