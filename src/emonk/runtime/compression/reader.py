"""The tool `read_result`: it reads on in a result that was shown in part."""

from typing import Any

from emonk.errors import InvalidArguments
from emonk.events import ToolReturned
from emonk.records import RiskLevel, SessionKey
from emonk.runtime.compression.shortening import READ_RESULT, SHORTEST, revision_of
from emonk.skills.function import Tool
from emonk.skills.protocol import Context
from emonk.store.protocol import Store


def result_reader(store: Store, shown: int) -> Tool[..., Any]:
    """The tool, which reads in the log of its own session, at most `shown` characters at a time."""
    most = max(SHORTEST, shown - 200)

    async def read_result(ctx: Context, handle: str, start: int = 0, length: int = most) -> str:  # noqa: D417
        """Read on in a long result of an earlier tool call, of which only head and tail are shown.

        Args:
            handle: as the shortened result names it, for example r12.
            start: the first character to read, from 0.
            length: how many characters.
        """
        revision = revision_of(handle)
        key = SessionKey(ctx.agent, ctx.session_id)
        found = await store.read(key, after=revision - 1, limit=1) if revision else []
        event = found[0].event if found and found[0].revision == revision else None
        if not isinstance(event, ToolReturned):
            raise InvalidArguments(f"there is no result {handle!r}", hint="a shortened result names its handle")
        content, start = event.result.content, max(0, start)
        if start >= len(content):
            raise InvalidArguments(f"the result has {len(content)} characters", hint="give a smaller start")
        end = min(len(content), start + min(max(1, length), most))
        left = f"{len(content) - end} follow" if end < len(content) else "this is the end"
        return f"{content[start:end]}\n[characters {start} to {end} of {len(content)}; {left}]"

    return Tool(read_result, name=READ_RESULT, risk=RiskLevel.LOW, idempotent=True)
