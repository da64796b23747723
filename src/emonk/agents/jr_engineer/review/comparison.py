"""What every check is given: both trees' versions of the changed files, and the repository to ask about the rest."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from emonk.agents.jr_engineer.review.findings import Outcome
from emonk.agents.jr_engineer.review.repository import Entry, Repository
from emonk.agents.jr_engineer.review.source import LARGEST, ChangedFile, can_name

_AT_ONCE = 8 * 1024 * 1024


class Comparison(msgspec.Struct, frozen=True):
    """One change to review.

    Attributes:
        base: the commit (or empty tree) that head is compared with.
        scratch: an empty directory that goes with the review.
        tree: every file of head's tree.
    """

    repository: Repository
    base: str
    head: str
    files: list[ChangedFile]
    tree: list[Entry]
    scratch: Path

    def test_texts(self) -> Iterator[str]:
        """The text of every test on head, a few at a time in memory."""
        waiting: list[str] = []
        size = 0
        for entry in self.tree:
            if can_name(entry.path) and 0 < entry.size <= LARGEST:
                waiting.append(entry.blob)
                size += entry.size
            if size > _AT_ONCE:
                yield from self._texts(waiting)
                waiting, size = [], 0
        yield from self._texts(waiting)

    def _texts(self, blobs: list[str]) -> list[str]:
        return [content.decode("utf-8", "replace") for content in self.repository.blobs(blobs).values()]

    def imports(self, module: str, name: str, *, apart_from: str) -> bool:
        """Whether another Python file on head imports from a module of that name and uses `name`."""
        if not (module.isidentifier() and name.isidentifier()):
            return False
        module_pattern = f"(from|import)[^#]*[ .]{module}( |$|[.,;])"
        patterns = ("--all-match", "-e", module_pattern, "-e", f"[^[:alnum:]_]{name}([^[:alnum:]_]|$)")
        globs = (":(glob)**/*.py", f":(exclude,literal){apart_from}")
        return bool(self.repository.git("grep", "-I", "-l", "-E", *patterns, self.head, "--", *globs, ok=(0, 1)))

    def read(self, revision: str, path: str) -> str:
        """A text file of `base` or `head`, empty when there is none or it is too large to be one."""
        found = self.repository.sizes([f"{revision}:{path}"])
        blobs = [blob for blob, size in found.items() if size <= LARGEST]
        return "".join(content.decode("utf-8", "replace") for content in self.repository.blobs(blobs).values())


Check = Callable[[Comparison], Outcome]
"""Looks at a whole change and accounts for every file of it."""
