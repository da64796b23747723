"""How a model learns of skills: one line each in the system prompt, the whole text when it asks for it."""

from collections.abc import Iterable
from typing import Any, Literal

from emonk.records import RiskLevel
from emonk.skills.arguments import Parameter, Parameters
from emonk.skills.function import Tool
from emonk.skills.signature import Signature
from emonk.skills.skill import Skill

READER = "load_skill"


def index(skills: Iterable[Skill]) -> str:
    """One line for each skill; those that cannot be used with the reason. Empty without skills."""
    return "\n".join(_line(skill) for skill in skills)


def _line(skill: Skill) -> str:
    line = f"- {skill.name}: {' '.join(skill.description.split())}".removesuffix(": ")
    return line if skill.available else f"{line} (unavailable: {' '.join(skill.reason.split())})"


def skill_reader(skills: Iterable[Skill]) -> Tool[..., Any] | None:
    """The tool `load_skill`, by which a model reads the instructions of a skill; None when there are none to read."""
    readable = {skill.name: skill for skill in skills if skill.available and skill.has_instructions}
    if not readable:
        return None
    names = sorted(readable)

    def load(name: str) -> str:
        return readable[name].instructions()

    parameter = Parameter(
        name="name",
        kind=Literal[tuple(names)],
        schema={"type": "string", "enum": names, "description": "The skill to read."},
        required=True,
    )
    return Tool(
        load,
        name=READER,
        risk=RiskLevel.LOW,
        idempotent=True,
        signature=Signature(
            "Read the instructions of a skill before using it for the first time.",
            Parameters(READER, [parameter]),
            None,
        ),
    )
