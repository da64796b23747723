"""What an agent is put together from, checked."""

from collections.abc import Iterable, Sequence

from emonk.errors import InvalidArguments, InvalidConfig
from emonk.permissions.policy import Denied, decide
from emonk.runtime.compression.shortening import READ_RESULT
from emonk.skills.index import index, skill_reader
from emonk.skills.loader import check_names
from emonk.skills.protocol import Runnable
from emonk.skills.skill import Skill


def collect(tools: Sequence[Runnable], skills: Sequence[Skill], own: Sequence[Skill] = ()) -> tuple[Runnable, ...]:
    """All tools of an agent, with those of emonk's `own` skills.

    Raises:
        InvalidConfig: something is no tool or no skill, or two have one name.
    """
    for setting, given in (("tools", tools), ("skills", skills)):
        if not isinstance(given, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidConfig(f"{setting} is {given!r}", hint="give a list")
    for skill in skills:
        if not hasattr(skill, "instructions"):
            raise InvalidConfig(f"{skill!r} is not a skill", hint="load_skills(DIRECTORY) reads those of a directory")
    for tool in tools:
        if not hasattr(tool, "run"):
            raise InvalidConfig(f"{tool!r} is not a tool", hint="decorate the function with @tool")
    skills = (*skills, *own)
    check_names(skills)
    available = [skill for skill in skills if skill.available]
    reader = skill_reader(available)
    found = (*tools, *(tool for skill in available for tool in skill.tools), *((reader,) if reader else ()))
    names = [tool.name for tool in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if READ_RESULT in names:
        raise InvalidConfig(f"{READ_RESULT!r} is the tool that reads long results", hint="name yours otherwise")
    if twice:
        raise InvalidConfig(f"two tools are named {twice!r}", hint="rename one of them")
    return found


def check_tools(tools: Sequence[Runnable]) -> None:
    """Find out before the first message whether every tool can be offered to a model.

    Raises:
        InvalidConfig: a function has a parameter that no model can give.
    """
    for tool in tools:
        _ = tool.parameters


def cannot_run(tools: Sequence[Runnable], skills: Sequence[Skill]) -> list[str]:
    """What is there and cannot be used, one line each."""
    lines = [f"skill {skill.name}: {skill.reason}" for skill in skills if not skill.available]
    decisions = [decide(tool.name, tool.risk) for tool in tools]
    return lines + [f"tool {decision.reason}" for decision in decisions if isinstance(decision, Denied)]


def instruct(instructions: str, skills: Sequence[Skill]) -> str:
    """The system prompt: the instructions, then one line for each skill."""
    listed = f"# Skills\n{index(skills)}" if skills else ""
    return "\n\n".join(part for part in (instructions.strip(), listed) if part)


def check_text(*texts: str | None) -> None:
    """A lone surrogate, half of a character, can be neither stored nor sent.

    Raises:
        InvalidArguments: a text holds one, or is no text.
    """
    for text in texts:
        try:
            (text or "").encode()
        except AttributeError as error:
            raise InvalidArguments(f"{text!r} is no text", hint="messages, users and ids are str") from error
        except UnicodeEncodeError as error:
            raise InvalidArguments(f"the message holds half a character at {error.start}", hint="send UTF-8") from error
