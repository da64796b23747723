"""The repository under review, read in a way that its own configuration cannot influence.

Revisions are resolved in the repository. Everything else runs in an empty repository of our own that borrows only its
objects, so that no textconv, external diff, filter, attribute, hook, file monitor, replacement or promisor remote that
the repository configures is ever consulted.
"""

import os
import shutil
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from emonk.agents.jr_engineer.review.processes import Completed, Processes, Watch
from emonk.errors import ConfigError, InfraError, InvalidConfig

_BIG = 16 * 1024 * 1024
"""Bytes above which git does not look for lines, so that one file cannot take all memory."""
MOST_FILES = 500_000
"""Files of a tree."""
_NO_FILE = f"{os.devnull}/none"
"""There can be none, and git says nothing about it; the null device itself would bring a hint about grafts."""
_QUIET = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": _NO_FILE,
    "LC_ALL": "C",
}
_GUARDS = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "protocol.allow=never", "--no-pager")


class Entry(msgspec.Struct, frozen=True):
    """One file of a tree; `size` in bytes, 0 for what is no blob."""

    path: str
    blob: str
    size: int


class Repository:
    """One repository's revisions, trees and blobs; made by `open_repository`."""

    def __init__(self, path: Path, private: Path, processes: Processes) -> None:
        self.path = path
        self.processes = processes
        self._private = private
        objects = self._ask("--git-path", "objects")
        self._reading = _environment(
            {
                "GIT_DIR": str(private),
                "GIT_OBJECT_DIRECTORY": objects,
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_CONFIG_GLOBAL": os.devnull,
                "GIT_ATTR_NOSYSTEM": "1",
            }
        )
        self._make_private()
        self.empty_tree = self.git("hash-object", "-t", "tree", os.devnull).decode().strip()

    def _ask(self, *question: str) -> str:
        """Ask `git rev-parse` in the repository itself, the only command that sees its configuration."""
        answer = self._rev_parse("--path-format=absolute", *question)
        if answer.status:
            raise _not_readable(self.path, answer)
        return os.fsdecode(answer.output.removesuffix(b"\n"))

    def _rev_parse(self, *arguments: str) -> Completed:
        return read_only_git(self.path, self.processes, "rev-parse", *arguments)

    def _make_private(self) -> None:
        object_format = self._ask("--show-object-format")
        create = ["init", "--quiet", "--bare", "--template=", f"--object-format={object_format}", str(self._private)]
        env = {k: v for k, v in self._reading.items() if k not in {"GIT_DIR", "GIT_OBJECT_DIRECTORY"}}
        made = self.processes.run(["git", *create], cwd=self._private, env=env)
        if made.status:
            raise InfraError(f"git cannot make a temporary repository: {made.complaint}")
        shallow = Path(self._ask("--git-path", "shallow"))
        self.shallow = shallow.is_file()
        if self.shallow:
            shutil.copyfile(shallow, self._private / "shallow")
        with (self._private / "config").open("a", encoding="utf-8") as config:
            settings = [f"attributesFile = {os.devnull}", "quotePath = true", f"bigFileThreshold = {_BIG}"]
            config.write("\n\t".join(["[core]", *settings]) + "\n")

    def git(self, *arguments: str, feed: bytes = b"", ok: tuple[int, ...] = (0,), watch: Watch | None = None) -> bytes:
        """Run git over the repository's objects, without its configuration.

        Raises:
            InfraError: git failed, for example because an object is missing.
        """
        command = ["git", *_GUARDS, *arguments]
        done = self.processes.run(command, cwd=self._private, env=self._reading, feed=feed, watch=watch)
        if done.status not in ok:
            hint = "objects may be missing: fetch the whole repository" if "read" in done.complaint else ""
            raise InfraError(f"git {arguments[0]} failed: {done.complaint}", hint=hint)
        return done.output

    def resolve(self, revision: str) -> str:
        """The full SHA of the commit that `revision` names.

        Raises:
            InvalidConfig: no such commit.
        """
        if revision and "\0" not in revision:
            answer = self._rev_parse("--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
            if not answer.status:
                return answer.output.decode().strip()
        if not self._has_commits():
            raise InvalidConfig(f"{self.path} has no commits yet", hint="git commit makes the first")
        hint = "git log --oneline lists what there is"
        if self.shallow:
            hint = "this is a shallow clone: git fetch --unshallow brings the rest"
        raise InvalidConfig(f"unknown revision {revision!r} in {self.path}", hint=hint)

    def _has_commits(self) -> bool:
        references = read_only_git(self.path, self.processes, "for-each-ref", "--count=1", "--format=%(refname)")
        return bool(references.output) or not self._rev_parse("--verify", "--quiet", "HEAD").status

    def ancestor(self, head: str, steps: int) -> str:
        """The commit `steps` first parents before `head`, or the empty tree where history begins later than that.

        Raises:
            InvalidConfig: the clone is too shallow to know.
        """
        listed = self.git("rev-list", "--first-parent", f"--max-count={steps + 1}", head).decode().split()
        if len(listed) > steps:
            return listed[steps]
        if self.shallow:
            hint = "git fetch --unshallow brings the rest"
            raise InvalidConfig(f"the shallow clone {self.path} lacks the commits before {listed[-1][:12]}", hint=hint)
        return self.empty_tree

    def merge_base(self, base: str, head: str) -> str:
        """Where `head` left `base`: what a pull request is compared with.

        Raises:
            InvalidConfig: the two share no history here.
        """
        if base == self.empty_tree:
            return base
        found = self.git("merge-base", base, head, ok=(0, 1)).decode().split()
        if not found:
            hint = "git fetch --unshallow may bring it" if self.shallow else "name two revisions of one history"
            raise InvalidConfig(f"{base[:12]} and {head[:12]} share no commit", hint=hint)
        return found[0]

    def sizes(self, blobs: Iterable[str]) -> dict[str, int]:
        """Sizes in bytes of those blobs that are there."""
        wanted = "\n".join(dict.fromkeys(blobs)).encode()
        listed = self.git("cat-file", "--batch-check", feed=wanted + b"\n").decode().split("\n") if wanted else []
        rows = (line.split(" ") for line in listed)
        return {row[0]: int(row[2]) for row in rows if len(row) == 3 and row[1] == "blob"}

    def blobs(self, wanted: Iterable[str]) -> dict[str, bytes]:
        """Contents by SHA, through one process; every SHA must be one that `sizes` knows."""
        names = list(dict.fromkeys(wanted))
        if not names:
            return {}
        stream = self.git("cat-file", "--batch", feed="\n".join(names).encode() + b"\n")
        return dict(_contents(stream))

    def refuse_huge(self, *trees: str) -> None:
        """Look at how many files there are while git counts them: equal folders cost a repository next to nothing.

        Raises:
            InvalidConfig: too many to review.
        """
        for tree in trees:
            message = f"{tree[:12]} has more than {MOST_FILES:,} files"
            self.git("ls-tree", "-r", "-z", "--name-only", tree, watch=at_most(MOST_FILES, b"\0", message))

    def tree(self, commit: str) -> list[Entry]:
        """Every file of a commit's tree."""
        listed = self.git("ls-tree", "-r", "-z", "-l", "--full-tree", commit)
        return [_entry(row) for row in listed.split(b"\0") if row]

    def version(self) -> str:
        return self.git("version").decode().strip().removeprefix("git version ")


@contextmanager
def open_repository(path: Path, processes: Processes) -> Generator[Repository]:
    """The repository at or above `path`.

    Raises:
        InvalidConfig: there is none, or git refuses to read it.
        ConfigError: git is not installed.
    """
    if not path.is_dir():
        raise InvalidConfig(f"{path} is not a directory", hint="name a git repository")
    with TemporaryDirectory(prefix="emonk-review-") as private:
        yield Repository(path.resolve(), Path(private).resolve(), processes)


def read_only_git(directory: Path, processes: Processes, *arguments: str) -> Completed:
    """Run a git command that shows no content, in a repository whose configuration must not run anything.

    Raises:
        ConfigError: git is not installed.
    """
    command = ["git", *_GUARDS, "-C", str(directory), *arguments]
    return processes.run(command, cwd=directory, env=_environment({"GIT_ALLOW_PROTOCOL": "none"}))


def readable(name: bytes) -> str:
    """A file name as text; bytes that are not UTF-8 are shown as escapes."""
    return name.decode("utf-8", "backslashreplace")


def at_most(most: int, mark: bytes, message: str) -> Watch:
    """Ends a command once it has printed more than `most` marks, of one byte each.

    Raises:
        InvalidConfig: from what is returned, with the message.
    """
    counted = 0

    def watch(chunk: bytes) -> None:
        nonlocal counted
        counted += chunk.count(mark)
        if counted > most:
            raise InvalidConfig(f"{message}, which is too much to review", hint="name a base that is nearer to head")

    return watch


def _entry(row: bytes) -> Entry:
    facts, _, name = row.partition(b"\t")
    _, _, blob, size = facts.decode().split()
    return Entry(readable(name), blob, int(size) if size.isdecimal() else 0)


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Ours without any GIT_ variable: inside a hook they would point at another repository."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**inherited, **_QUIET, **extra}


def _not_readable(path: Path, answer: Completed) -> ConfigError:
    if "dubious ownership" in answer.errors:
        hint = f"git config --global --add safe.directory {path}"
        return InvalidConfig(f"{path} belongs to another user", hint=hint)
    if "not a git repository" in answer.errors:
        return InvalidConfig(f"{path} is not a git repository", hint="name one with --repo")
    return InvalidConfig(f"git cannot read {path}: {answer.complaint}")


def _contents(stream: bytes) -> Iterator[tuple[str, bytes]]:
    position = 0
    while position < len(stream):
        end = stream.index(b"\n", position)
        name, _, size = stream[position:end].decode().split(" ")
        start = end + 1
        yield name, stream[start : start + int(size)]
        position = start + int(size) + 1
