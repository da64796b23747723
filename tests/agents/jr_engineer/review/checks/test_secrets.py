"""The check `secrets`, and that no secret is shown."""

import pytest

from emonk.agents.jr_engineer.review.engine import review
from emonk.agents.jr_engineer.review.findings import LedgerRow
from emonk.agents.jr_engineer.review.report import as_json, as_markdown, as_text
from tests.agents.jr_engineer.repositories import Repo

TAIL = "a8Xk2Lm9Qz4Rt7Wy1Bc5"
BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"
BEGIN = "-----BEGIN RSA " + "PRIVATE KEY-----"
VALUES = [
    "sk-live-" + TAIL,
    "sk_live_" + TAIL,
    "AKIA" + "QZ7RT4WY1BC5MN8K",
    "ghp_" + TAIL + TAIL[:16],
    "xoxb-" + TAIL,
    "xoxp-" + TAIL,
]


def found(repo: Repo) -> list[tuple[str, int, str]]:
    return [(item.file, item.line, item.severity) for item in review(repo.path).findings if item.rule == "secret"]


@pytest.mark.parametrize("path", ["app.py", "settings.yaml", "Dockerfile"])
@pytest.mark.parametrize("value", VALUES)
def test_a_key_of_a_known_shape_is_found_in_any_text_and_never_shown(repo: Repo, path: str, value: str) -> None:
    repo.commit({path: "X = 1\n"})
    repo.commit({path: f'X = 1\nAPI_KEY = "{value}"\n'})
    finished = review(repo.path)
    assert found(repo) == [(path, 2, "high")]
    assert LedgerRow(path, "secrets", "findings") in finished.ledger
    shown = as_json(finished) + as_text(finished) + as_markdown(finished)
    assert value[8:] not in shown
    assert f'API_KEY = "{value[:4]}***"' in as_text(finished)


def test_a_private_key_is_found_and_none_of_it_shown(repo: Repo) -> None:
    repo.commit({"a.txt": ""})
    code = f'KEY = 1 is """{BEGIN}\n{BODY}\n"""\n'
    repo.commit({"server.key": f"{BEGIN}\n{BODY}\n", "key.py": code})
    assert found(repo) == [("key.py", 1, "high"), ("server.key", 1, "high")]
    finished = review(repo.path)
    assert "F632" in [item.rule for item in finished.findings]
    assert BODY not in as_json(finished)


@pytest.mark.parametrize(
    "line",
    [
        "AKIA" + "IOSFODNN7EXAMPLE",
        "sk_live_" + "xxxxxxxxxxxxxxxx",
        "sk-live-" + "your-key-goes-here",
        "task-live-" + TAIL,
        "sk_live_",
        BEGIN,
        BEGIN + "...",
    ],
)
def test_a_placeholder_is_none(repo: Repo, line: str) -> None:
    repo.commit({"a.txt": ""})
    repo.commit({"b.txt": line + "\n"})
    assert found(repo) == []
    assert LedgerRow("b.txt", "secrets", "ok") in review(repo.path).ledger


def test_one_that_moves_or_stays_is_not_new(repo: Repo) -> None:
    repo.commit({"a.txt": VALUES[0] + "\n", "b.txt": VALUES[1] + "\n"})
    repo.commit({"a.txt": "", "c.txt": VALUES[0] + "\n", "b.txt": VALUES[1] + "\nmore\n"})
    assert found(repo) == []


def test_one_in_a_test_weighs_little(repo: Repo) -> None:
    repo.commit({"a.txt": ""})
    repo.commit({"tests/data/server.key": f"{BEGIN}\n{BODY}\n"})
    assert found(repo) == [("tests/data/server.key", 1, "low")]


def test_other_findings_on_the_line_do_not_show_it(repo: Repo) -> None:
    repo.commit({"CHANGELOG.md": "", "app.py": ""})
    filler = "#" * 190
    repo.commit({"app.py": f'def call(key="{VALUES[0]}"):\n    return print(key), eval("{VALUES[1]}")  {filler}\n'})
    shown = as_json(review(repo.path))
    assert "docs-gaps" in shown
    assert TAIL not in shown


@pytest.mark.parametrize("comment", ["", "  # noqa: S105"])
def test_a_password_is_not_shown_either(repo: Repo, comment: str) -> None:
    repo.commit({"a.txt": ""})
    repo.commit({"app.py": f'PASSWORD = "hunter2!x"{comment}\n'})
    shown = as_json(review(repo.path))
    assert "S105" in shown
    assert "hunter2" not in shown


def test_what_has_no_added_text_is_skipped(repo: Repo) -> None:
    repo.commit({"gone.txt": "1\n", "logo.png": b"\0"})
    repo.commit({"gone.txt": None, "logo.png": b"\0\1"})
    rows = {row.file: (row.status, row.reason) for row in review(repo.path).ledger if row.check == "secrets"}
    assert rows == {"gone.txt": ("skipped", "deleted"), "logo.png": ("skipped", "binary")}
