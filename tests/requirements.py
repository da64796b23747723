"""What a test needs beyond Python's own parts: a missing one skips the test, or fails it where it must be there.

`EMONK_REQUIRE=chromium,postgres` names the parts that must be there, as CI does for what it installs.
"""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

PROGRAMS = {
    "bwrap": ("bwrap",),
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
}


def required(part: str) -> bool:
    """Whether EMONK_REQUIRE lists `part`."""
    return part in os.environ.get("EMONK_REQUIRE", "").replace(" ", "").split(",")


def skip_without(part: str, reason: str) -> NoReturn:
    """Skip the running test because `part` is missing; fail it when `part` is required."""
    if required(part):
        pytest.fail(f"EMONK_REQUIRE lists {part}: {reason}", pytrace=False)
    pytest.skip(f"{part}: {reason}")


def require(part: str) -> Path:
    """The program that `part` stands for; skips or fails the running test where there is none."""
    names = PROGRAMS[part]
    for name in names:
        if found := shutil.which(name):
            return Path(found)
    skip_without(part, f"no {' or '.join(names)} on PATH")
