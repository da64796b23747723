"""Long results of tools, shown in part. The log keeps the whole, and `read_result` reads it.

What is shown of a result depends on the result, its place in the log and a limit alone, so that the same context is
sent again and again and providers can cache it.
"""

from msgspec.structs import replace

from emonk.messages import ToolResult

READ_RESULT = "read_result"
"""The tool by which a model reads the rest."""

SHORTEST = 1000
"""Characters that are always shown."""

_CHARACTERS_PER_TOKEN = 0.8
"""Of the budget that one result may take: about a fifth."""


def usual_limit(budget: int) -> int:
    """Characters of a result that are shown with that budget of tokens, as long as nothing else is said."""
    return max(SHORTEST, int(budget * _CHARACTERS_PER_TOKEN))


def shortened(result: ToolResult, revision: int, limit: int) -> ToolResult:
    """The result as it is shown: whole, or head and tail of `limit` characters and the handle of the rest.

    Args:
        result: of a tool.
        revision: of its event in the log.
        limit: characters.
    """
    content = result.content
    if len(content) <= limit:
        return result
    head, tail = limit * 3 // 4, limit - limit * 3 // 4
    left_out = len(content) - head - tail
    note = (
        f"[... {left_out} of {len(content)} characters left out here; "
        f'read them with {READ_RESULT}(handle="{handle_of(revision)}", start={head}) ...]'
    )
    return replace(result, content=f"{content[:head]}\n{note}\n{content[-tail:]}")


def handle_of(revision: int) -> str:
    """By which `read_result` finds the result that is the session's event of that revision."""
    return f"r{revision}"


def revision_of(handle: str) -> int | None:
    """The revision that a handle names, None when it is none."""
    number = handle.strip().removeprefix("r")
    return int(number) if number.isascii() and number.isdigit() and len(number) < 16 else None


def smaller_limits(limit: int) -> list[int]:
    """Limits below this one, each half of the one before it, down to `SHORTEST`."""
    found: list[int] = []
    while limit > SHORTEST:
        limit = max(SHORTEST, limit // 2)
        found.append(limit)
    return found
