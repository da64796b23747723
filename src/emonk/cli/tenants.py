"""The agents that come with emonk, those of a file, and what they add to the faces."""

import difflib
import importlib
from collections.abc import Iterator, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

from emonk.cli.trouble import UsageError

if TYPE_CHECKING:
    from emonk.agent import Agent
    from emonk.extend import Command, Page

SHIPPED = {"jr-engineer": "emonk.agents.jr_engineer", "marketing": "emonk.agents.marketing"}
EXTENSIONS = ("emonk.agents.jr_engineer.extension",)
DEFAULT_AGENT = "jr-engineer"


def load_agent(name: str, *, model: str | None = None) -> "Agent":
    """The shipped agent of that name, or the one of the `agent.yaml` at that path; not started.

    Raises:
        UsageError: there is neither.
        InvalidConfig: the file cannot be used.
    """
    from emonk.agent import Agent  # noqa: PLC0415  commands that need no agent start without it

    package = SHIPPED.get(name)
    if package is not None:
        with as_file(files(package) / "agent.yaml") as path:
            return Agent.from_file(path, model=model)
    path = agent_file(name)
    if path is None:
        if Path(name).is_dir():
            raise UsageError(f"{name} has no agent.yaml", "name a folder that has one, or the file itself")
        near = difflib.get_close_matches(name, SHIPPED, 1)
        known = f"did you mean {near[0]}?" if near else f"the shipped ones are {', '.join(SHIPPED)}"
        raise UsageError(f"there is no agent {name!r}", f"{known}; a path to an agent.yaml works too")
    return Agent.from_file(path, model=model)


def agent_file(name: str) -> Path | None:
    """The file at the path `name`, or in the folder there; None when it looks like no path.

    Raises:
        UsageError: it looks like a path, and there is no file.
    """
    path = Path(name).expanduser()
    file = path / "agent.yaml" if path.is_dir() else path
    if file.exists():
        return file
    if "/" in name or name.startswith((".", "~")) or name.endswith((".yaml", ".yml")):
        if path.is_dir():
            raise UsageError(f"{name} has no agent.yaml", "name a folder that has one, or the file itself")
        raise UsageError(f"there is no file {path}", f"name an agent.yaml, its folder, or one of {', '.join(SHIPPED)}")
    return None


def load_agents(names: Sequence[str], *, model: str | None = None) -> "dict[str, Agent]":
    """Agents by name, all shipped ones when none is named.

    Raises:
        UsageError: a name is unknown, or two agents have the same.
        InvalidConfig: a file cannot be used.
    """
    agents: dict[str, Agent] = {}
    for name in names or SHIPPED:
        agent = load_agent(name, model=model)
        if agent.name in agents:
            raise UsageError(f"two agents are named {agent.name}", "change agent.name in one of the files")
        agents[agent.name] = agent
    return agents


def commands() -> "Iterator[Command]":
    """The commands that agents declare."""
    for module in EXTENSIONS:
        yield from getattr(importlib.import_module(module), "COMMANDS", ())


def pages() -> "Iterator[Page]":
    """The pages that agents declare."""
    for module in EXTENSIONS:
        yield from getattr(importlib.import_module(module), "PAGES", ())
