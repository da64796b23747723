"""The git repository that `<!-- docs: repository -->` blocks run in: two commits, the last one with things to find."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

FIRST = {
    "CHANGELOG.md": "# Changelog\n\n## Unreleased\n\n- Weather by city.\n",
    "README.md": "# weather\n\n    from weather import forecast\n",
    "weather/__init__.py": "from weather.forecast import forecast as forecast\n",
    "weather/forecast.py": '''"""Forecasts."""


def forecast(city: str) -> str:
    """The forecast for a city, in one line."""
    return f"{city}: sunny"
''',
    "tests/test_forecast.py": """from weather import forecast


def test_names_the_city() -> None:
    assert forecast("Paris").startswith("Paris")
""",
}

SECOND = {
    "weather/forecast.py": '''"""Forecasts."""

import os
import subprocess


def forecast(city: str) -> str:
    """The forecast for a city, in one line."""
    return f"{city}: sunny"


def radar(city: str) -> str:
    """The latest radar picture's address."""
    found = subprocess.run(f"radar --city {city}", shell=True, capture_output=True, text=True)
    return found.stdout
''',
}

_IDENTITY = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
}


def make_repository(directory: Path, environment: Mapping[str, str]) -> None:
    """Make the repository; its commits have fixed dates, so their names never change."""
    directory.mkdir(parents=True)
    _git(directory, environment, "init", "--quiet", "--initial-branch=main")
    for day, (message, files) in enumerate((("Forecast by city", FIRST), ("Add the radar", SECOND)), start=1):
        for name, text in files.items():
            path = directory / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        date = f"2026-01-0{day}T12:00:00+00:00"
        dated = {**environment, **_IDENTITY, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        _git(directory, dated, "add", "--all")
        _git(directory, dated, "commit", "--quiet", f"--message={message}")


def _git(directory: Path, environment: Mapping[str, str], *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=directory, env=dict(environment), check=True)
