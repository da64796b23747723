"""The comparison of breakers says of emonk what is so; the other libraries are not installed where tests run."""

import asyncio
import importlib
import importlib.util
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import PROJECT

SCRIPT = PROJECT / "scripts" / "compare_breakers.py"
PAGE = PROJECT / "docs" / "breakers.md"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [str(SCRIPT.parent), *sys.path])
    return importlib.import_module("compare_breakers")


def test_the_page_says_what_emonk_does(script: Any) -> None:
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(script.BEGIN)
    head, _, *rows = rest.partition(script.END)[0].strip().splitlines()
    assert head.split("|")[-2].strip().startswith("emonk ")
    shown = {row.split("|")[1].strip(): row.split("|")[-2].strip() for row in rows}
    emonk = script.LIBRARIES[-1]
    assert shown == {case.__doc__.rstrip("."): asyncio.run(case(emonk)) for case in script.CASES}


def test_it_says_which_libraries_are_missing() -> None:
    if importlib.util.find_spec("purgatory"):
        pytest.skip("purgatory is installed here")
    before = PAGE.read_bytes()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run([sys.executable, SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "not installed: purgatory" in result.stderr
    assert PAGE.read_bytes() == before
