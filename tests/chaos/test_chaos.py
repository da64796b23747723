"""A few of the stories of `make chaos`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from emonk.testing.postgres import programs
from tests.requirements import skip_without


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_killed_processes_break_no_promise(store: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if store == "postgres" and programs() is None:
        skip_without("postgres", "no initdb on PATH or in /usr/lib/postgresql")
    monkeypatch.setenv("EMONK_CHAOS_TIMES", "ignore")
    command = [sys.executable, "-m", "chaos.kill", "--seeds", "5", "--store", store]
    told = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    report = json.loads(told.stdout)
    assert (told.returncode, report["broken"]) == (0, {})
    assert report["kills"] >= 3


def test_crowd_of_processes_mixes_nothing(project: Path) -> None:
    command = [sys.executable, "-m", "chaos.crowd", "--processes", "3", "--sessions", "4", "--seconds", "1"]
    told = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    report = json.loads(told.stdout)
    assert (told.returncode, report["broken"]) == (0, [])
    assert report["replies"]["done"] >= 3 * 4
