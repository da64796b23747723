"""Fixtures that all tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# An example has no time limit of its own: how long one takes says more of the machine than of the code.
settings.register_profile("emonk", deadline=None)
settings.load_profile("emonk")

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def private_environment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keep a test from the developer's own data, keys and endpoints, and from another test's data."""
    for name in list(os.environ):
        if (
            name.startswith(("EMONK_", "FIRESTORE_", "GEMINI_", "GOOGLE_", "OPENAI_", "ANTHROPIC_"))
            and name != "EMONK_REQUIRE"
        ):
            monkeypatch.delenv(name)
    data = tmp_path_factory.getbasetemp() / f"emonk-data-{abs(hash(request.node.nodeid))}"
    monkeypatch.setenv("EMONK_DATA_DIR", str(data))


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of this repository."""
    return PROJECT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The directory of recorded traffic beside this repository, for tests that replay it."""
    path = PROJECT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("no ../shared/data: recorded traffic is not part of the project")
    return path
