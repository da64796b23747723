"""Fixtures of the jr-engineer's tests."""

from pathlib import Path

import pytest

from tests.agents.jr_engineer.repositories import Repo


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """An empty repository."""
    return Repo(tmp_path / "repo")
