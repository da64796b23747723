"""SQLite does what every store must do."""

import asyncio
from pathlib import Path

import pytest

from emonk.store.connect import connect
from emonk.testing.store_conformance import CHECKS, Check, name_of, run


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_sqlite_conforms(check: Check, tmp_path: Path) -> None:
    asyncio.run(run(check, lambda clock: connect(f"sqlite:///{tmp_path / 'store.db'}", clock=clock)))
