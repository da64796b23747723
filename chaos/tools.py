"""The tools of an agent that is killed: what one may do again, what one may not, and what the ledger keeps."""

from collections.abc import Sequence

from chaos.points import Points
from chaos.remote import Caller
from emonk import Context, Happened, NotHappened, tool
from emonk.records import Effect
from emonk.skills.protocol import Runnable

NAMES = ("look", "note", "post", "pay")


def tools(remote: Caller, points: Points) -> Sequence[Runnable]:
    """`look` may run again; `note` may not, and nobody can tell later whether it did.

    `post` and `pay` are effects; only of a post can one see later whether it happened.
    """

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

    @tool(risk="low", effect=True)
    async def post(word: str) -> str:
        """Post something."""
        return await act("post", word)

    @post.reconcile
    async def find(effect: Effect, _context: Context) -> Happened | NotHappened:
        points.reach("before a post is looked for")
        found = await remote.look(effect.arguments["word"])
        points.reach("after a post was looked for")
        return NotHappened() if found is None else Happened(found)

    @tool(risk="low", effect=True)
    async def pay(word: str) -> str:
        """Pay for something."""
        return await act("pay", word)

    return [look, note, post, pay]
