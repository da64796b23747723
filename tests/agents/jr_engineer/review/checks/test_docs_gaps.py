"""The check `docs-gaps`."""

import pytest

from emonk.agents.jr_engineer.review.engine import review
from emonk.agents.jr_engineer.review.findings import Finding
from tests.agents.jr_engineer.repositories import Repo

AREA = "def area(width, height=1):\n    return width * height\n"


def gaps(repo: Repo) -> list[Finding]:
    return [finding for finding in review(repo.path).findings if finding.rule == "docs-gaps"]


def test_a_new_public_name_without_a_word_in_the_changelog(repo: Repo) -> None:
    repo.commit({"CHANGELOG.md": "# Changes\n", "shapes.py": "X = 1\n"})
    repo.commit({"shapes.py": "X = 1\n" + AREA})
    (finding,) = gaps(repo)
    assert (finding.file, finding.line, finding.severity) == ("shapes.py", 2, "low")
    assert finding.title == "The public interface changed and CHANGELOG.md did not"
    assert finding.detail == "shapes.py: added area(width, height=1)."


@pytest.mark.parametrize(
    "log", ["CHANGELOG.md", "docs/release-notes.md", "newsfragments/12.feature.rst", "HISTORY.rst"]
)
def test_a_changed_changelog_is_enough(repo: Repo, log: str) -> None:
    repo.commit({"CHANGELOG.md": "# Changes\n", "shapes.py": ""})
    repo.commit({"shapes.py": AREA, log: "area is new\n"})
    assert gaps(repo) == []


def test_without_a_changelog_the_readme_is_asked_for_and_weighs_less(repo: Repo) -> None:
    repo.commit({"README.md": "# Shapes\n", "shapes.py": ""})
    repo.commit({"shapes.py": AREA})
    (finding,) = gaps(repo)
    assert (finding.severity, "README.md" in finding.title) == ("info", True)


@pytest.mark.parametrize("document", ["README.md", "docs/shapes.md"])
def test_without_a_changelog_any_document_will_do(repo: Repo, document: str) -> None:
    repo.commit({"README.md": "# Shapes\n", "shapes.py": ""})
    repo.commit({"shapes.py": AREA, document: "area is new\n"})
    assert gaps(repo) == []


def test_without_any_document_nothing_is_missing(repo: Repo) -> None:
    repo.commit({"shapes.py": ""})
    repo.commit({"shapes.py": AREA})
    assert gaps(repo) == []


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (AREA.replace("height=1", "height=2"), "changed area(width, height=2) from (width, height=1)"),
        (AREA.replace("width, height=1", "width, *, height"), "changed area(width, *, height) from (width, height=1)"),
        ("X = 1\n", "removed area(width, height=1)"),
        (AREA.replace("area", "surface"), "added surface(width, height=1); shapes.py: removed area(width, height=1)"),
    ],
)
def test_removed_renamed_and_changed_names_are_told(repo: Repo, after: str, told: str) -> None:
    repo.commit({"CHANGELOG.md": "# Changes\n", "shapes.py": AREA})
    repo.commit({"shapes.py": after})
    assert [finding.detail for finding in gaps(repo)] == [f"shapes.py: {told}."]


@pytest.mark.parametrize(
    "after",
    [
        AREA.replace("width * height", "abs(width)"),
        AREA.replace("width,", "width: int,"),
        AREA + "\ndef _own():\n    pass\n",
    ],
)
def test_what_callers_do_not_notice_needs_no_word(repo: Repo, after: str) -> None:
    repo.commit({"CHANGELOG.md": "# Changes\n", "shapes.py": AREA})
    repo.commit({"shapes.py": after})
    assert gaps(repo) == []


def test_a_constructor_belongs_to_the_interface(repo: Repo) -> None:
    box = "class Box:\n    def __init__(self, width):\n        self.width = width\n"
    repo.commit({"CHANGELOG.md": "# Changes\n", "a.py": box})
    repo.commit({"a.py": box.replace("width):", "width, *, lid=True):")})
    assert [finding.detail for finding in gaps(repo)] == [
        "a.py: changed Box(self, width, *, lid=True) from (self, width)."
    ]


@pytest.mark.parametrize(
    ("route", "told"),
    [
        ('@app.post("/pay")\ndef _pay():\n    ...\n', "added route POST /pay"),
        ('routes = [Route("/pay", _pay)]\n', "added route /pay"),
        ('@app.route("/pay", methods=["PUT"])\ndef _pay():\n    ...\n', "added route PUT /pay"),
        ('@app.route("/pay", methods=("get", "post"))\ndef _pay():\n    ...\n', "added route GET,POST /pay"),
        ('@app.route("/pay", methods=KNOWN)\ndef _pay():\n    ...\n', "added route KNOWN /pay"),
    ],
)
def test_a_new_route_needs_a_word(repo: Repo, route: str, told: str) -> None:
    repo.commit({"CHANGELOG.md": "# Changes\n", "a.py": "X = 1\n"})
    repo.commit({"a.py": "X = 1\n" + route})
    assert [finding.detail for finding in gaps(repo)] == [f"a.py: {told}."]


def test_a_dictionary_get_is_no_route(repo: Repo) -> None:
    repo.commit({"CHANGELOG.md": "# Changes\n", "a.py": "X = {}\n"})
    repo.commit({"a.py": "X = {}\nY = X.get('/x', 1)\n"})
    assert gaps(repo) == []


def test_a_private_module_is_no_interface(repo: Repo) -> None:
    repo.commit({"CHANGELOG.md": "# Changes\n", "pkg/_own.py": "X = 1\n"})
    repo.commit({"pkg/_own.py": "X = 1\n" + AREA})
    finished = review(repo.path)
    assert [row.reason for row in finished.ledger if row.check == "docs-gaps"] == ["a private module"]


def test_a_deleted_module_is_a_removed_interface(repo: Repo) -> None:
    repo.commit({"CHANGELOG.md": "# Changes\n", "shapes.py": AREA, "b.py": "X = 1\n"})
    repo.commit({"shapes.py": None, "b.py": "X = 2\n"})
    assert [finding.detail for finding in gaps(repo)] == ["shapes.py: removed area(width, height=1)."]


@pytest.mark.parametrize(("after", "line"), [("X = 1\nY = 2\n", 1), ("X = 1\nZ = 3\nY = 2\n", 2), (None, 1)])
def test_what_only_base_has_is_quoted_from_base(repo: Repo, after: str | None, line: int) -> None:
    repo.commit({"CHANGELOG.md": "# Changes\n", "shapes.py": f"X = 1\n{AREA}Y = 2\n"})
    repo.commit({"shapes.py": after})
    (finding,) = gaps(repo)
    assert finding.line == line
    assert finding.evidence.startswith("- 2: def area(width, height=1):\n")


def test_a_removed_route_is_quoted_from_base(repo: Repo) -> None:
    route = '@app.get("/area")\ndef _area():\n    return 1\n'
    repo.commit({"CHANGELOG.md": "# Changes\n", "web.py": f"X = 1\n{route}Y = 2\n"})
    repo.commit({"web.py": "X = 1\nY = 2\n"})
    (finding,) = gaps(repo)
    assert (finding.line, finding.evidence.split("\n")[0]) == (1, "- 3: def _area():")
