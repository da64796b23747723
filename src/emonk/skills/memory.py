"""The skill `memory`: what a model remembers for the user it talks to. Who that is, the call says, never the model."""

from collections.abc import Sequence

from emonk.errors import InvalidArguments
from emonk.memory.memories import KEY_LENGTH
from emonk.records import Memory
from emonk.skills.function import tool
from emonk.skills.protocol import Context
from emonk.skills.skill import Skill

LISTED = 20


@tool(
    risk="low",
    idempotent=True,
    triggers=["remember that {text}", "remember {text}", "keep in mind that {text}", "note that {text}"],
)
async def remember(ctx: Context, text: str, key: str = "") -> str:
    """Remember something for the user, also in later conversations.

    Args:
        ctx: what the call may know.
        text: What to remember, as a whole sentence that can be understood later.
        key: A few words to find it by, such as: deadline. Something kept under the same words is replaced.
    """
    memory = await ctx.memory.remember(key if key.strip() else key_of(text), text)
    return f"Remembered under {memory.key!r}: {memory.text}"


@tool(
    risk="low",
    idempotent=True,
    triggers=["recall {key}", "what do you remember", "what have you remembered", "what do you remember about me"],
)
async def recall(ctx: Context, key: str = "") -> str:
    """Recall what is remembered for the user under some words, or everything.

    Args:
        ctx: what the call may know.
        key: The words it was remembered under; everything when left out.
    """
    if not key.strip():
        kept = await ctx.memory.all()
        return _listed(kept, len(kept)) if kept else "Nothing is remembered yet."
    memory = await ctx.memory.recall(key)
    return memory.text if memory is not None else await _nothing_under(ctx, key)


@tool(
    risk="low",
    idempotent=True,
    triggers=["what do you remember about {query}", "search your memory for {query}", "search memory for {query}"],
)
async def search_memory(ctx: Context, query: str) -> str:
    """Search what is remembered for the user by its words.

    Args:
        ctx: what the call may know.
        query: The words to look for.
    """
    found = await ctx.memory.search(query, limit=LISTED)
    return _listed(found, len(found)) if found else f"Nothing is remembered about {_short(query)!r}."


@tool(
    risk="low",
    idempotent=True,
    triggers=["forget what you remember about {key}", "forget that {key}", "forget about {key}", "forget {key}"],
)
async def forget(ctx: Context, key: str) -> str:
    """Forget what is remembered for the user under some words.

    Args:
        ctx: what the call may know.
        key: The words it was remembered under, exactly.
    """
    if await ctx.memory.forget(key):
        return f"Forgot what was remembered under {_short(key)!r}."
    return await _nothing_under(ctx, key)


MEMORY_SKILL = Skill(
    name="memory",
    description="Remember, recall, search and forget things for the user, across conversations.",
    tools=[remember, recall, search_memory, forget],
)


def key_of(text: str) -> str:
    """A key for what has none: the text itself, or the start of a long one.

    Raises:
        InvalidArguments: the text is too long to name itself.
    """
    key = " ".join(text.split()).strip(" .!").lower()
    if len(key) > KEY_LENGTH:
        raise InvalidArguments("so long a text needs a key", hint="give a few words to find it by, such as: deadline")
    return key


async def _nothing_under(ctx: Context, key: str) -> str:
    said = f"Nothing is remembered under {_short(key)!r}."
    near = await ctx.memory.search(key, limit=3)
    return f"{said} These hold its words:\n{_lines(near)}" if near else said


def _listed(memories: Sequence[Memory], count: int) -> str:
    more = f"\n... and {count - LISTED} more" if count > LISTED else ""
    return _lines(memories[:LISTED]) + more


def _lines(memories: Sequence[Memory]) -> str:
    """One line each; the text alone where it is its own key."""
    return "\n".join(f"- {one.text}" if _is_own_key(one) else f"- {one.key}: {one.text}" for one in memories)


def _is_own_key(memory: Memory) -> bool:
    """The memory was given no key of its own."""
    return " ".join(memory.text.split()).strip(" .!").lower() == memory.key


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}..."
