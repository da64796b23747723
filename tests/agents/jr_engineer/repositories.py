"""Real git repositories to review."""

import os
import subprocess
from pathlib import Path

_IDENTITY = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
}


class Repo:
    """A repository whose files tests write and commit."""

    def __init__(self, path: Path, *options: str) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main", *options)

    def git(self, *arguments: str, feed: bytes = b"") -> bytes:
        env = {**os.environ, **_IDENTITY}
        done = subprocess.run(["git", *arguments], cwd=self.path, env=env, input=feed, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def write(self, files: dict[str, str | bytes | None]) -> None:
        """Write files; None removes one."""
        for name, content in files.items():
            path = self.path / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: dict[str, str | bytes | None] | None = None, message: str = "a change") -> str:
        self.write(files or {})
        self.git("add", "--all", "--force")
        self.git("commit", "-q", "--allow-empty", "--no-verify", "-m", message)
        return self.git("rev-parse", "HEAD").decode().strip()

    def commit_tree(self, names: dict[bytes, bytes], parent: str = "") -> str:
        """Commit files under names that a file system may refuse."""
        self.git("read-tree", "--empty")
        rows = [
            b"100644 " + self.git("hash-object", "-w", "--stdin", feed=content).strip() + b"\t" + name + b"\0"
            for name, content in names.items()
        ]
        self.git("update-index", "-z", "--index-info", feed=b"".join(rows))
        tree = self.git("write-tree").decode().strip()
        parents = ["-p", parent] if parent else []
        return self.git("commit-tree", tree, *parents, "-m", "a tree").decode().strip()
