"""What every check is given: both trees' versions of the changed files, and the repository to ask about the rest."""

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from emonk.agents.jr_engineer.review.findings import Outcome
from emonk.agents.jr_engineer.review.repository import Repository
from emonk.agents.jr_engineer.review.source import ChangedFile


class Comparison(msgspec.Struct, frozen=True):
    """One change to review.

    Attributes:
        base: the commit (or empty tree) that head is compared with.
        scratch: an empty directory that goes with the review.
        paths: every file of head's tree.
    """

    repository: Repository
    base: str
    head: str
    files: list[ChangedFile]
    paths: list[str]
    scratch: Path

    def grep(self, names: Iterable[str], *, where: Iterable[str], words: bool = True) -> set[str]:
        """Which of these fixed strings occur on head in text files that match the glob patterns."""
        patterns = "\n".join(sorted({name for name in names if name and "\n" not in name}))
        if not patterns:
            return set()
        options = ["-I", "-o", "-h", "-F", *(["-w"] if words else [])]
        globs = [f":(glob){pattern}" for pattern in where]
        feed = patterns.encode("utf-8", "surrogateescape")
        found = self.repository.git("grep", *options, "-f", "-", self.head, "--", *globs, feed=feed, ok=(0, 1))
        return set(found.decode("utf-8", "replace").split("\n")) - {""}

    def imports(self, module: str, name: str, *, apart_from: str) -> bool:
        """Whether another Python file on head imports from a module of that name and uses `name`."""
        if not (module.isidentifier() and name.isidentifier()):
            return False
        module_pattern = f"(from|import)[^#]*[ .]{module}( |$|[.,;])"
        patterns = ("--all-match", "-e", module_pattern, "-e", f"[^[:alnum:]_]{name}([^[:alnum:]_]|$)")
        globs = (":(glob)**/*.py", f":(exclude,literal){apart_from}")
        return bool(self.repository.git("grep", "-I", "-l", "-E", *patterns, self.head, "--", *globs, ok=(0, 1)))

    def read_base(self, path: str) -> str:
        """A text file of base's tree, empty when there is none."""
        content = self.repository.git("cat-file", "--batch", feed=f"{self.base}:{path}\n".encode())
        header, _, body = content.partition(b"\n")
        return "" if header.endswith(b" missing") else body.decode("utf-8", "replace")


Check = Callable[[Comparison], Outcome]
"""Looks at a whole change and accounts for every file of it."""
