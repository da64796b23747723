"""`--cassette` and `--record` on the command line."""

from pathlib import Path

from tests.cli.running import emonk

ASK = ("chat", "marketing", "--model", "gemini:gemini-2.5-flash", "-m", "hi")


def test_record_alone_is_a_usage_error() -> None:
    ended = emonk(*ASK, "--record")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "--record is for a cassette" in ended.stderr


def test_a_cassette_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    ended = emonk(*ASK, "--cassette", tmp_path / "none")
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert str(tmp_path / "none") in ended.stderr


def test_a_broken_recording_is_one_line_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    ended = emonk(*ASK, "--cassette", tmp_path)
    assert ended.returncode == 2
    assert str(tmp_path / "x.json") in ended.stderr
