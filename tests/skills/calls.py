"""What the tests of skills share: a context, and folders of skills."""

import textwrap
from pathlib import Path

from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.memory.doors import NOWHERE, Doors
from emonk.skills.protocol import Context


def context(
    *, clock: Clock = SYSTEM_CLOCK, deadline: float | None = None, user_id: str = "u1", doors: Doors = NOWHERE
) -> Context:
    return Context(
        agent="test",
        session_id="s1",
        user_id=user_id,
        call_id="c1",
        trace_id="t1",
        clock=clock,
        deadline=deadline,
        progress=lambda _text: None,
        doors=doors,
    )


def write_skill(root: Path, name: str, head: str = "", *, body: str = "", **files: str) -> Path:
    """A skill's folder; `tools_py="..."` becomes `tools.py`."""
    folder = root / name
    folder.mkdir(parents=True)
    head = head or f"name: {name}\ndescription: About {name}."
    (folder / "SKILL.md").write_text(f"---\n{textwrap.dedent(head).strip()}\n---\n{body}")
    for file, text in files.items():
        stem, _, suffix = file.rpartition("_")
        (folder / f"{stem}.{suffix}").write_text(textwrap.dedent(text))
    return folder
