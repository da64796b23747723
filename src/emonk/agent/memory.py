"""The memory of an agent: the skills that it brings, and the files that it opens."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

from emonk.errors import ConfigError, InvalidConfig, MissingCredential
from emonk.memory.files import NOT_INSTALLED, MemoryFiles
from emonk.memory.prompt import read_prompt
from emonk.memory.section import MemorySection
from emonk.skills.files import FILES_SKILL
from emonk.skills.memory import MEMORY_SKILL
from emonk.skills.skill import Skill
from emonk.store.protocol import Store

Memory = bool | MemorySection | MemoryFiles


def memory_skills(memory: Memory) -> tuple[Skill, ...]:
    """What the model can do with it; nothing without one.

    Raises:
        InvalidConfig: it is no memory.
    """
    if memory is not True and memory is not False and not hasattr(memory, "open") and not hasattr(memory, "read"):
        raise InvalidConfig(f"memory is {memory!r}", hint="write memory=True, or memory=MemorySection(...)")
    return () if memory is False else (MEMORY_SKILL, FILES_SKILL)


async def open_memory(
    memory: Memory, agent: str, store: Store, opened: AsyncExitStack
) -> tuple[MemoryFiles | None, Sequence[str]]:
    """The agent's files, and what has to be said of them; those that were given belong to who gave them.

    Without credentials for its bucket, or the library, an agent starts all the same, as it does without those of any
    other integration.

    Raises:
        ConfigError, InfraError: as `MemorySection.open`.
    """
    if memory is False:
        return None, ()
    section = MemorySection() if memory is True else memory
    if not isinstance(section, MemorySection):
        return section, ()
    try:
        files = await section.open(agent, store)
    except ConfigError as error:
        if not isinstance(error, MissingCredential) and error.code != NOT_INSTALLED:
            raise
        return None, (f"memory.backend {section.backend}: not available: {error.message}; {error.hint}",)
    opened.push_async_callback(files.aclose)
    return files, ()


async def prompt_now(
    memory: Memory,
    agent: str,
    instructions: str,
    *,
    own: Callable[[AsyncExitStack], Awaitable[Store]],
    other: Store,
) -> str:
    """The instructions that a turn would have now, of the agent's file or of its memory.

    The agent's `own` store is opened only if its files lie there; else `other` will do.

    Raises:
        ConfigError, InfraError: the files cannot be read.
    """
    async with AsyncExitStack() as opened:
        lies_there = isinstance(memory, MemorySection) and memory.backend == "store"
        files, _ = await open_memory(memory, agent, await own(opened) if lies_there else other, opened)
        return (await read_prompt(files, instructions)).text if files else instructions
