"""Reading a repository: which revisions are compared, what is refused, and that its configuration runs nothing."""

import os
import subprocess
from pathlib import Path

import pytest

from emonk.agents.jr_engineer.review.engine import review
from emonk.errors import InvalidConfig
from tests.agents.jr_engineer.repositories import Repo


def test_a_directory_that_is_no_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="not a git repository"):
        review(tmp_path)


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="not a directory"):
        review(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "revision", ["nope", "--help", "--upload-pack=touch x", "-", "HEAD\0", "HEAD..HEAD", "HEAD:a.py"]
)
def test_what_is_no_revision_is_refused(repo: Repo, revision: str) -> None:
    repo.commit({"a.py": "x = 1\n"})
    with pytest.raises(InvalidConfig, match="unknown revision"):
        review(repo.path, base=revision)


def test_a_repository_without_commits_is_refused(repo: Repo) -> None:
    with pytest.raises(InvalidConfig, match="has no commits yet"):
        review(repo.path)


def test_a_commit_without_a_branch_is_one(repo: Repo) -> None:
    repo.commit({"a.py": "x = 1\n"})
    repo.git("checkout", "-q", "--detach")
    repo.git("branch", "-q", "-D", "main")
    with pytest.raises(InvalidConfig, match="unknown revision 'main'"):
        review(repo.path, base="main")


def test_the_first_commit_is_compared_with_nothing(repo: Repo) -> None:
    repo.commit({"a.py": "import os\n"})
    finished = review(repo.path)
    assert [finding.rule for finding in finished.findings] == ["F401"]
    assert finished.summary.files == 1


def test_more_commits_than_there_are_begin_with_nothing(repo: Repo) -> None:
    repo.commit({"a.txt": "1\n"})
    repo.commit({"b.txt": "2\n"})
    assert review(repo.path, commits=9).summary.files == 2


def test_the_empty_tree_may_be_named_as_base(repo: Repo) -> None:
    repo.commit({"a.txt": "1\n"})
    repo.commit({"b.txt": "2\n"})
    assert review(repo.path, base="4b825dc642cb6eb9a060e54bf8d69288fbee4904").summary.files == 2


def test_head_is_compared_with_where_it_left_base(repo: Repo) -> None:
    fork = repo.commit({"a.txt": "1\n"})
    repo.git("checkout", "-q", "-b", "topic")
    head = repo.commit({"mine.txt": "1\n"})
    repo.git("checkout", "-q", "main")
    base = repo.commit({"theirs.txt": "1\n"})
    finished = review(repo.path, base="main", head="topic")
    assert {row.file for row in finished.ledger} == {"mine.txt"}
    assert (finished.summary.base, finished.summary.merge_base, finished.summary.head) == (base, fork, head)


def test_histories_that_never_met_are_refused(repo: Repo) -> None:
    repo.commit({"a.txt": "1\n"})
    repo.git("checkout", "-q", "--orphan", "other")
    repo.commit({"b.txt": "1\n"})
    with pytest.raises(InvalidConfig, match="share no commit"):
        review(repo.path, base="main", head="other")


def test_a_bare_repository_is_reviewed(repo: Repo, tmp_path: Path) -> None:
    repo.commit({"a.txt": "1\n"})
    repo.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    assert review(tmp_path / "bare.git").summary.files == 1


def test_a_directory_inside_a_repository_means_the_repository(repo: Repo) -> None:
    repo.commit({"sub/a.txt": "1\n", "b.txt": "1\n"})
    assert review(repo.path / "sub").summary.files == 2


def test_a_sha256_repository_is_reviewed(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "modern", "--object-format=sha256")
    repo.commit({"a.txt": "1\n"})
    assert len(review(repo.path).summary.head) == 64


def test_a_linked_worktree_is_reviewed(repo: Repo, tmp_path: Path) -> None:
    repo.commit({"a.txt": "1\n"})
    repo.git("worktree", "add", "-q", "-b", "topic", str(tmp_path / "tree"))
    assert review(tmp_path / "tree").summary.files == 1


def test_a_clone_too_shallow_to_know_says_so(repo: Repo, tmp_path: Path) -> None:
    repo.commit({"a.txt": "1\n"})
    repo.commit({"b.txt": "1\n"})
    repo.git("clone", "-q", "--depth=1", repo.path.as_uri(), str(tmp_path / "shallow"))
    with pytest.raises(InvalidConfig, match="shallow clone"):
        review(tmp_path / "shallow")
    with pytest.raises(InvalidConfig, match="unshallow"):
        review(tmp_path / "shallow", base="HEAD~1")


def test_a_shallow_clone_with_enough_history_is_reviewed(repo: Repo, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        repo.commit({name: "1\n"})
    repo.git("clone", "-q", "--depth=2", repo.path.as_uri(), str(tmp_path / "shallow"))
    assert review(tmp_path / "shallow").summary.files == 1


def test_variables_of_a_surrounding_git_hook_do_not_lead_elsewhere(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.commit({"a.txt": "1\n"})
    other = Repo(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.path / "index"))
    assert review(repo.path).summary.files == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to somebody else")
def test_a_repository_of_another_user_says_how_to_trust_it(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.commit({"a.txt": "1\n"})
    monkeypatch.setenv("HOME", str(repo.path.parent))
    for path in (repo.path, repo.path / ".git"):
        os.chown(path, 12345, 12345)
    with pytest.raises(InvalidConfig, match=r"another user.*safe.directory"):
        review(repo.path)


def _hostile(repo: Repo, canary: Path) -> None:
    """Give the repository a configuration in which every command that git can run touches the canary."""
    script = repo.path.parent / "attack.sh"
    script.write_text(f'#!/bin/sh\necho "$0 $*" >> {canary}\ncat\n')
    script.chmod(0o755)
    run = str(script)
    for name in ("pre-commit", "post-checkout", "post-index-change", "reference-transaction"):
        hook = repo.path / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{run}\n")
        hook.chmod(0o755)
    settings = {
        "core.fsmonitor": run,
        "core.pager": run,
        "core.hooksPath": str(repo.path / ".git" / "hooks"),
        "core.sshCommand": run,
        "core.editor": run,
        "pager.diff": run,
        "pager.log": run,
        "diff.external": run,
        "diff.bad.textconv": run,
        "diff.bad.command": run,
        "filter.bad.clean": run,
        "filter.bad.smudge": run,
        "filter.bad.required": "true",
        "interactive.diffFilter": run,
        "alias.rev-parse": f"!{run}",
        "alias.diff-tree": f"!{run}",
        "alias.ls-files": f"!{run}",
        "protocol.ext.allow": "always",
        "remote.origin.url": f"ext::{run}",
        "remote.origin.promisor": "true",
        "remote.origin.partialclonefilter": "blob:none",
        "extensions.partialClone": "origin",
        "core.repositoryformatversion": "1",
        "submodule.sub.update": f"!{run}",
        "diff.submodule": "log",
    }
    for key, value in settings.items():
        repo.git("config", key, value)
    (repo.path / ".git" / "info").mkdir(exist_ok=True)
    (repo.path / ".git" / "info" / "attributes").write_text("* diff=bad filter=bad\n")


def test_the_configuration_of_a_hostile_repository_runs_nothing(repo: Repo, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    repo.commit({"a.py": "x = 1\n", ".gitattributes": "* diff=bad filter=bad\n"})
    repo.commit({"a.py": "import os\n"})
    _hostile(repo, canary)
    finished = review(repo.path)
    assert [finding.rule for finding in finished.findings] == ["F401"]
    assert not canary.exists(), canary.read_text()
    subprocess.run(["git", "diff", "HEAD~1"], cwd=repo.path, capture_output=True, check=False)
    assert canary.exists(), "the trap itself does not work"


def test_a_missing_object_is_not_fetched_through_the_repository_s_own_transport(repo: Repo, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    repo.commit({"a.py": "x = 1\n"})
    repo.commit({"a.py": "import os\n"})
    _hostile(repo, canary)
    blob = repo.git("rev-parse", "HEAD:a.py").decode().strip()
    (repo.path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(Exception, match="failed"):
        review(repo.path)
    assert not canary.exists(), canary.read_text()


def test_attributes_of_the_branch_hide_no_file_from_the_review(repo: Repo) -> None:
    repo.commit({"a.py": "x = 1\n"})
    repo.commit({"a.py": "import os\n", ".gitattributes": "*.py -diff binary linguist-generated\n"})
    assert [finding.rule for finding in review(repo.path).findings] == ["F401"]


def test_replacement_refs_do_not_show_another_commit(repo: Repo) -> None:
    repo.commit({"a.txt": "1\n"})
    innocent = repo.commit({"b.txt": "2\n"})
    guilty = repo.commit({"a.py": "import os\n"})
    repo.git("replace", guilty, innocent)
    assert [finding.rule for finding in review(repo.path, base=innocent, head=guilty).findings] == ["F401"]


def test_replacement_refs_and_grafts_do_not_change_what_a_revision_means(repo: Repo) -> None:
    before = repo.commit({"a.py": "x = 1\n"})
    guilty = repo.commit({"a.py": "import os\n"})
    later = repo.git("commit-tree", f"{guilty}^{{tree}}", "-p", guilty, "-m", "later").decode().strip()
    decoy = repo.git("commit-tree", f"{guilty}^{{tree}}", "-p", later, "-m", "decoy").decode().strip()
    repo.git("replace", guilty, decoy)
    finished = review(repo.path, base="HEAD~1")
    assert (finished.summary.base, [finding.rule for finding in finished.findings]) == (before, ["F401"])
    repo.git("replace", "--delete", guilty)
    (repo.path / ".git" / "info").mkdir(exist_ok=True)
    (repo.path / ".git" / "info" / "grafts").write_text(f"{guilty} {later}\n{later} {before}\n")
    assert review(repo.path, base="HEAD~1").summary.base == before
