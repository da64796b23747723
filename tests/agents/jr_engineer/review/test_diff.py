"""The diff: which files, which lines."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emonk.agents.jr_engineer.review.diff import FileChange, Hunk, read_diff
from emonk.agents.jr_engineer.review.processes import Processes
from emonk.agents.jr_engineer.review.repository import open_repository
from tests.agents.jr_engineer.repositories import Repo


def changes(repo: Repo, base: str, head: str) -> list[FileChange]:
    with open_repository(repo.path, Processes()) as opened:
        return read_diff(opened, base, head)


def only(repo: Repo, base: str, head: str) -> FileChange:
    found = changes(repo, base, head)
    assert len(found) == 1
    return found[0]


def added(change: FileChange) -> list[int]:
    return [line for hunk in change.hunks for line in hunk.head_lines]


def test_a_rename_with_a_change_keeps_both_names(repo: Repo) -> None:
    base = repo.commit({"old name.py": "".join(f"line {n}\n" for n in range(30))})
    text = "".join(f"line {n}\n" for n in range(30)).replace("line 7\n", "line seven\n")
    head = repo.commit({"old name.py": None, "new\tname.py": text})
    change = only(repo, base, head)
    assert (change.status, change.old_path, change.path) == ("renamed", "old name.py", "new\tname.py")
    assert added(change) == [8]


def test_a_copy_is_an_addition_as_in_a_pull_request(repo: Repo) -> None:
    base = repo.commit({"a.py": "".join(f"line {n}\n" for n in range(30))})
    head = repo.commit({"b.py": "".join(f"line {n}\n" for n in range(30))})
    assert (only(repo, base, head).status, only(repo, base, head).added_count) == ("added", 30)


NAMES = [
    b"-rf.py",
    b'quo"te.py',
    b"new\nline.py",
    b"tab\t.py",
    b"\xff\xfe.py",
    "caf\u00e9/\u2028.py".encode(),
    b"a b/ c.py",
    b"\ndiff --git a/x b/x\n@@ -1 +1 @@\n.py",
    b"\x1b[31m.py",
    b"back\\slash.py",
    b" ",
]


def test_every_name_that_git_can_hold_is_read(repo: Repo) -> None:
    base = repo.commit_tree(dict.fromkeys(NAMES, b"one\n"))
    head = repo.commit_tree({name: b"one\n" + name.replace(b"\n", b"") + b"\n" for name in NAMES}, base)
    found = {change.path: change for change in changes(repo, base, head)}
    assert set(found) == {name.decode("utf-8", "backslashreplace") for name in NAMES}
    assert all(added(change) == [2] for change in found.values())
    assert all(
        change.hunks[0].added[0].encode("utf-8", "surrogateescape") == name.replace(b"\n", b"")
        for name in NAMES
        for change in [found[name.decode("utf-8", "backslashreplace")]]
    )


def test_a_missing_final_newline_is_no_line_of_its_own(repo: Repo) -> None:
    base = repo.commit({"a.txt": "one\ntwo"})
    head = repo.commit({"a.txt": "one\ntwo\nthree"})
    change = only(repo, base, head)
    assert [(hunk.removed, hunk.added) for hunk in change.hunks] == [(("two",), ("two", "three"))]


@pytest.mark.parametrize("separator", ["\f", "\v", "\r", "\x1c", "\x85", "\u2028", "\u2029"])
def test_only_line_feeds_end_lines(repo: Repo, separator: str) -> None:
    base = repo.commit({"a.txt": f"one{separator}still one\ntwo\n"})
    head = repo.commit({"a.txt": f"one{separator}still one\ntwo{separator}\nthree\n"})
    assert added(only(repo, base, head)) == [2, 3]


def test_carriage_returns_of_dos_files_stay_in_their_lines(repo: Repo) -> None:
    base = repo.commit({"a.txt": b"one\r\ntwo\r\n"})
    head = repo.commit({"a.txt": b"one\r\nTWO\r\n"})
    assert only(repo, base, head).hunks[0].added == ("TWO\r",)


def test_lines_that_look_like_a_patch_are_content(repo: Repo) -> None:
    trap = "--- a/x\n+++ b/x\n@@ -1 +1 @@\ndiff --git a/x b/x\n\\ No newline at end of file\n"
    base = repo.commit({"a.txt": "one\n", "b.txt": "one\n"})
    head = repo.commit({"a.txt": "one\n" + trap, "b.txt": "one\ntwo\n"})
    assert [(change.path, added(change)) for change in changes(repo, base, head)] == [
        ("a.txt", [2, 3, 4, 5, 6]),
        ("b.txt", [2]),
    ]


def test_binary_mode_and_empty_files_have_no_lines(repo: Repo) -> None:
    base = repo.commit({"logo.png": b"\0\1\2", "run.sh": "echo\n"})
    (repo.path / "run.sh").chmod(0o755)
    head = repo.commit({"logo.png": b"\0\1\3", "empty.py": ""})
    found = {change.path: change for change in changes(repo, base, head)}
    assert all(not change.hunks for change in found.values())
    assert found["logo.png"].binary
    assert found["run.sh"].mode_changed
    assert found["empty.py"].status == "added"


def test_symlinks_submodules_and_files_that_become_one_are_told_apart(repo: Repo) -> None:
    base = repo.commit({"a": "x\n", "b": "one\n"})
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{base},module")
    (repo.path / "a").unlink()
    (repo.path / "a").symlink_to("/etc/passwd")
    (repo.path / "b").write_text("two\n")
    repo.git("add", "a", "b")
    repo.git("commit", "-q", "-m", "kinds")
    head = repo.git("rev-parse", "HEAD").decode().strip()
    found = {change.path: change for change in changes(repo, base, head)}
    assert (found["a"].status, found["a"].kind) == ("type changed", "symlink")
    assert (found["module"].status, found["module"].kind) == ("added", "submodule")
    assert added(found["b"]) == [1]


def test_a_deleted_file_has_its_lines_on_base_only(repo: Repo) -> None:
    base = repo.commit({"a.txt": "one\ntwo\n", "b.txt": "1\n"})
    head = repo.commit({"a.txt": None})
    change = only(repo, base, head)
    assert (change.status, change.removed_count, added(change)) == ("deleted", 2, [])


lines = st.lists(
    st.text(st.sampled_from("ab \t\r\f\u2028\\+-@"), max_size=3) | st.sampled_from(["--- a", "+++ b", "@@ -1 +1 @@"]),
    max_size=12,
)


@pytest.fixture(scope="module")
def shared_repo(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    path: Path = tmp_path_factory.mktemp("hypothesis") / "repo"
    return Repo(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=lines, new=lines, old_end=st.booleans(), new_end=st.booleans())
def test_base_and_hunks_give_head_again(
    shared_repo: Repo, old: list[str], new: list[str], old_end: bool, new_end: bool
) -> None:
    before = ("\n".join(old) + "\n" * old_end).encode()
    after = ("\n".join(new) + "\n" * new_end).encode()
    base = shared_repo.commit_tree({b"f": before, b"g": b"same"})
    head = shared_repo.commit_tree({b"f": after, b"g": b"same"}, base)
    found = changes(shared_repo, base, head)
    if before == after:
        assert found == []
        return
    change = found[0]
    kept: dict[int, str] = {}
    for number, line in enumerate(_lines(before), 1):
        place = change.head_line(number)
        if place is not None:
            kept[place] = line
    written = {number: line for hunk in change.hunks for number, line in zip(hunk.head_lines, hunk.added, strict=True)}
    assert not kept.keys() & written.keys()
    together = {**kept, **written}
    assert [together[number] for number in sorted(together)] == _lines(after)
    assert sorted(together) == list(range(1, len(together) + 1))


def _lines(content: bytes) -> list[str]:
    parts = content.decode().split("\n")
    return parts[:-1] if parts[-1] == "" else parts


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3), st.integers(0, 3)).filter(lambda part: any(part[1:]))))
def test_lines_are_mapped_as_the_hunks_say(parts: list[tuple[int, int, int]]) -> None:
    base, head, hunks, kept = 1, 1, list[Hunk](), dict[int, int]()
    for same, removed, new in parts:
        kept |= {base + line: head + line for line in range(same)}
        base, head = base + same, head + same
        hunks.append(Hunk(base - (not removed), head - (not new), ("-",) * removed, ("+",) * new))
        base, head = base + removed, head + new
    change = FileChange(
        path="a", old_path="a", status="modified", kind="file", base_blob="", head_blob="", mode_changed=False,
        hunks=tuple(hunks),
    )  # fmt: skip
    assert [change.head_line(line) for line in range(1, base)] == [kept.get(line) for line in range(1, base)]
    assert change.head_line(base) == head
    assert all((change.removing(line) is None) == (line in kept) for line in range(1, base))
    lines = added(change)
    gaps = [hunk.head_start for hunk in hunks if not hunk.added]
    for start in range(1, head + 1):
        for end in range(start, head + 1):
            within = [line for line in lines if start <= line <= end]
            assert change.first_added(start, end) == (within[0] if within else None)
            assert change.touches(start, end) == bool(within or [gap for gap in gaps if start <= gap < end])
