"""The command line on sessions that lie in PostgreSQL."""

import subprocess
import sys
from pathlib import Path


def emonk(*arguments: str) -> str:
    code = "from emonk.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_a_conversation_is_kept_listed_and_shown(database: str, tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(f"agent:\n  name: clerk\n  llm: {{model: offline}}\n  store: {database}\n")
    emonk("chat", str(file), "-m", "hello there", "--session", "s1")
    assert "hello there" in emonk("sessions", "list", "--agent", str(file))
    assert "hello there" in emonk("sessions", "show", "s1", "--agent", str(file))
