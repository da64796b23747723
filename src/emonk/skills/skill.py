"""A skill: instructions for the model and the tools that go with them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from emonk.errors import InvalidConfig
from emonk.records import RiskLevel
from emonk.skills.function import Tool, risk_level
from emonk.skills.protocol import Runnable

# Agent Skills format (agentskills.io): lowercase letters, digits and single hyphens, at most 64 characters.
_NAME = re.compile(r"(?=.{1,64}$)[a-z0-9]+(-[a-z0-9]+)*")


class Skill(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent can do in one field.

    A tool of the skill that declares no risk has the skill's `risk`. The skill's `triggers` are given to its tool when
    it has exactly one, and that one has none of its own.

    Attributes:
        path: the `SKILL.md` that it was read from, or None for a skill made in code.
        available: False when something that it needs is missing; `reason` says what.
        body: the instructions, for a skill made in code.
        body_offset: where in the file at `path` the instructions begin, in bytes; None when there are none.
    """

    name: str
    description: str
    tools: Sequence[Runnable] = ()
    triggers: Sequence[str] = ()
    risk: RiskLevel | str | None = None
    path: Path | None = None
    available: bool = True
    reason: str = ""
    body: str = ""
    body_offset: int | None = None

    def __post_init__(self) -> None:
        if self.available and not _NAME.fullmatch(self.name):
            raise InvalidConfig(
                f"{self.name!r} cannot be the name of a skill", hint="lowercase letters, digits and hyphens, at most 64"
            )
        risk = None if self.risk is None else risk_level(self.risk, f"skill {self.name}")
        triggers = tuple(self.triggers) if len(self.tools) == 1 else ()
        tools = tuple(_adopt(tool, risk, triggers) for tool in self.tools)
        msgspec.structs.force_setattr(self, "tools", tools)
        msgspec.structs.force_setattr(self, "triggers", tuple(self.triggers))
        msgspec.structs.force_setattr(self, "risk", risk)

    @property
    def has_instructions(self) -> bool:
        """There is something to read."""
        return bool(self.body) or self.body_offset is not None

    def instructions(self) -> str:
        """The body of `SKILL.md`, read from the file each time.

        Raises:
            InvalidConfig: the file cannot be read any more.
        """
        if self.path is None or self.body_offset is None:
            return self.body
        try:
            with self.path.open("rb") as file:
                file.seek(self.body_offset)
                return file.read().decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidConfig(f"the instructions of skill {self.name} cannot be read: {error}") from error


def _adopt(tool: Runnable, risk: RiskLevel | None, triggers: tuple[str, ...]) -> Runnable:
    return cast("Tool[..., Any]", tool).in_skill(risk=risk, triggers=triggers) if isinstance(tool, Tool) else tool
