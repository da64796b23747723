"""Doors to what is kept: a tool reaches its agent's and its user's things, and nothing beside them."""

from typing import NoReturn

from emonk.errors import InvalidConfig
from emonk.memory.files import MemoryFiles
from emonk.memory.memories import Memories
from emonk.memory.records import AgentRecords
from emonk.store.memory_protocol import MemoryScope
from emonk.store.protocol import Store


class Doors:
    """What the tools of a call may reach: the memories of its user, and the records and files of its agent.

    `Doors()` leads nowhere: it is for calls outside of an agent.
    """

    __slots__ = ("_agent", "_files", "_store", "_user_id")

    def __init__(
        self, agent: str = "", user_id: str = "", *, store: Store | None = None, files: MemoryFiles | None = None
    ) -> None:
        self._agent = agent
        self._user_id = user_id
        self._store = store
        self._files = files

    @property
    def memory(self) -> Memories:
        """What is remembered for the user.

        Raises:
            InvalidConfig: the call has no store.
        """
        return Memories(self._store or _no_store(), MemoryScope(self._agent, self._user_id))

    @property
    def files(self) -> MemoryFiles:
        """The agent's files.

        Raises:
            InvalidConfig: the agent has no memory.
        """
        if self._files is None:
            raise InvalidConfig("the agent has no memory files", hint="write memory: {backend: local} in agent.yaml")
        return self._files

    def records(self, namespace: str) -> AgentRecords:
        """What the agent's tools keep under a name of their own choice.

        Raises:
            InvalidConfig: the call has no store.
        """
        return AgentRecords(self._store or _no_store(), self._agent, namespace)


class Kept:
    """What is kept for an agent; it opens the doors of each user."""

    def __init__(self, agent: str, store: Store, files: MemoryFiles | None = None) -> None:
        self._agent = agent
        self._store = store
        self._files = files

    def doors(self, user_id: str) -> Doors:
        return Doors(self._agent, user_id, store=self._store, files=self._files)


NOWHERE = Doors()


def _no_store() -> NoReturn:
    raise InvalidConfig("the call has no store", hint="an agent gives its tools one; a test gives Context(doors=...)")
