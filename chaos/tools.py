"""The tools of an agent that is killed: what one may do again, what one may not, and what the ledger keeps."""

from collections.abc import Sequence

from chaos.points import Points
from chaos.remote import Caller
from emonk import tool
from emonk.skills.protocol import Runnable

NAMES = ("look", "note")


def tools(remote: Caller, points: Points) -> Sequence[Runnable]:
    """`look` may run again; `note` may not, and nobody can tell later whether it did."""

    async def act(kind: str, word: str) -> str:
        points.reach(f"in {kind}, before it acts")
        said = await remote.do(word)
        points.reach(f"in {kind}, after it acted")
        return said

    @tool(risk="low", idempotent=True)
    async def look(word: str) -> str:
        """Look something up."""
        return await act("look", word)

    @tool(risk="low")
    async def note(word: str) -> str:
        """Note something down."""
        return await act("note", word)

    return [look, note]
