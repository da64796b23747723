"""The check `missing-tests`."""

import pytest

from emonk.agents.jr_engineer.review.engine import review
from emonk.agents.jr_engineer.review.findings import Finding
from tests.agents.jr_engineer.repositories import Repo

AREA = "def area(width, height):\n    return width * height\n"


def missing(repo: Repo) -> list[Finding]:
    return [finding for finding in review(repo.path).findings if finding.rule == "missing-tests"]


def titles(repo: Repo) -> list[str]:
    return [finding.title for finding in missing(repo)]


def test_a_new_function_that_no_test_names_is_found(repo: Repo) -> None:
    repo.commit({"shapes.py": "", "tests/test_shapes.py": "def test_nothing():\n    area_of_expertise = 1\n"})
    repo.commit({"shapes.py": AREA})
    (finding,) = missing(repo)
    assert (finding.file, finding.line, finding.severity, finding.tool) == ("shapes.py", 1, "low", "emonk")
    assert finding.title == "No test names the new function `area`"
    assert finding.detail == "The word `area` occurs in none of the 1 test files on head."


def test_a_function_that_a_test_names_is_fine(repo: Repo) -> None:
    repo.commit({"shapes.py": ""})
    repo.commit({"shapes.py": AREA, "tests/test_shapes.py": "from shapes import area\n"})
    assert titles(repo) == []


def test_a_changed_body_counts_at_its_changed_line(repo: Repo) -> None:
    repo.commit({"shapes.py": AREA})
    repo.commit({"shapes.py": AREA.replace("width * height", "abs(width * height)")})
    (finding,) = missing(repo)
    assert (finding.line, finding.title) == (2, "No test names the changed function `area`")
    assert finding.evidence == "1: def area(width, height):"
    assert finding.detail.endswith(" It is defined in line 1; line 2 is the nearest one in the diff.")


@pytest.mark.parametrize(
    "after",
    [
        'def area(width, height):\n    """The area."""\n    return width * height\n',
        "def area(width, height):\n    # the area\n    return width * height\n",
        "def area(width: int, height: int) -> int:\n    return width * height\n",
        "def area(width, height):\n    return (\n        width * height\n    )\n",
    ],
)
def test_documentation_annotations_and_layout_are_no_change(repo: Repo, after: str) -> None:
    repo.commit({"shapes.py": AREA})
    repo.commit({"shapes.py": after})
    assert titles(repo) == []


def test_what_only_moved_is_no_change(repo: Repo) -> None:
    repo.commit({"shapes.py": "X = 1\n" + AREA, "other.py": "Y = 1\n"})
    repo.commit({"shapes.py": "X = 1\n", "other.py": "Y = 1\n" + AREA})
    assert titles(repo) == []


@pytest.mark.parametrize(
    "code",
    [
        "def _area(w, h):\n    return w * h\n",
        "def constant():\n    return 3\n",
        "def later(x):\n    raise NotImplementedError\n",
        "class P(Protocol):\n    def area(self, w):\n        return w * 2\n",
        "class P:\n    @abstractmethod\n    def area(self, w):\n        print(w)\n",
        "class _Private:\n    def area(self, w):\n        return w * 2\n",
        "class Known:\n    def __len__(self):\n        return len(self.x)\n",
    ],
)
def test_private_trivial_and_abstract_code_needs_no_test_of_its_own(repo: Repo, code: str) -> None:
    repo.commit({"a.py": "", "test_a.py": "Known, P\n"})
    repo.commit({"a.py": code})
    assert titles(repo) == []


def test_a_new_class_stands_for_its_methods(repo: Repo) -> None:
    repo.commit({"a.py": ""})
    repo.commit({"a.py": "class Box:\n    def area(self, w):\n        return w * 2\n"})
    assert titles(repo) == ["No test names the new class `Box`"]


def test_a_new_method_of_a_tested_class_weighs_less(repo: Repo) -> None:
    repo.commit({"a.py": "class Box:\n    x = 1\n", "test_a.py": "from a import Box\n"})
    repo.commit({"a.py": "class Box:\n    x = 1\n\n    def area(self, w):\n        return w * 2\n"})
    (finding,) = missing(repo)
    assert (finding.severity, finding.title) == ("info", "No test names the new method `Box.area`")


def test_a_route_may_be_tested_by_its_path(repo: Repo) -> None:
    view = '@app.get("/items")\ndef list_items():\n    return [1].copy()\n'
    repo.commit({"a.py": "", "tests/test_api.py": 'client.get("/items")\n'})
    repo.commit({"a.py": view})
    assert titles(repo) == []


def test_a_command_may_be_tested_by_its_spelling(repo: Repo) -> None:
    repo.commit({"a.py": "", "tests/test_cli.py": 'run(["init-store"])\n'})
    repo.commit({"a.py": "@app.command()\ndef init_store():\n    print(1)\n"})
    assert titles(repo) == []


def test_tests_scripts_and_borrowed_code_are_not_asked_for_tests(repo: Repo) -> None:
    repo.commit({"a.txt": ""})
    repo.commit(
        dict.fromkeys(("tests/shapes.py", "docs/conf.py", "setup.py", "pkg/_vendor/a.py", "scripts/a.py"), AREA)
    )
    assert titles(repo) == []


def test_many_of_one_file_are_summed_up_and_none_is_lost(repo: Repo) -> None:
    repo.commit({"a.py": ""})
    repo.commit({"a.py": "\n\n".join(f"def f{n:02}(x):\n    return x * {n}\n" for n in range(14))})
    found = missing(repo)
    assert len(found) == 11
    everything = " ".join(finding.title + finding.detail for finding in found)
    assert all(f"`f{n:02}`" in everything for n in range(14))


def test_code_too_new_for_this_python_is_said_to_be_unchecked(repo: Repo) -> None:
    repo.commit({"a.py": ""})
    repo.commit({"a.py": "type X = int\n" + AREA})
    finished = review(repo.path)
    status = {row.check: row.status for row in finished.ledger}
    assert status["ruff"] == "ok"
    assert status["missing-tests"] in {"failed", "findings"}
    assert finished.summary.complete == (status["missing-tests"] == "findings")
