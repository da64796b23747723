"""`emonk review`."""

import shutil
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from emonk.errors import ConfigError, InfraError, InvalidConfig
from emonk.extend import styled

if TYPE_CHECKING:
    from emonk.agents.jr_engineer.review.findings import Review
    from emonk.agents.jr_engineer.review.report import Format

_WIDEST = 110
T = TypeVar("T", bound=str)


def review(  # noqa: PLR0917  Typer makes options of them
    repo: Annotated[Path, typer.Option(help="A directory in a git repository.")] = Path(),
    base: Annotated[
        str | None, typer.Option(help="Revision to compare with; the last commit's parent by default.")
    ] = None,
    head: Annotated[str, typer.Option(help="Revision to review.")] = "HEAD",
    format_: Annotated[str, typer.Option("--format", help="text, markdown or json.")] = "text",
    output: Annotated[Path | None, typer.Option(help="Write to this file instead of the terminal.")] = None,
    fail_on: Annotated[
        str, typer.Option(help="Exit with 1 when a finding is at least: critical, high, medium, low or info.")
    ] = "",
) -> None:
    """Review what HEAD changed since it left BASE: bugs, security, missing tests, gaps in the documentation.

    Nothing of the repository is executed and none of its configuration is used. Exits with 0, with 1 when --fail-on is
    met, with 2 when the review cannot be done.
    """
    from emonk.agents.jr_engineer.review.findings import SEVERITIES  # noqa: PLC0415  only a review pays for its parts
    from emonk.agents.jr_engineer.review.report import FORMATS  # noqa: PLC0415  the same

    shape = _one_of(format_, FORMATS, "--format")
    limit = _one_of(fail_on, SEVERITIES, "--fail-on") if fail_on else None
    _check_output(output)
    if base is not None and not base.strip():
        raise InvalidConfig("--base is empty", hint="name a revision, or leave --base out to review the last commit")
    with _nothing_unexpected():
        finished = _run(repo, base or "", head)
        _write(finished, shape, output)
    if limit is not None and finished.reaches(limit):
        raise typer.Exit(1)


@contextmanager
def _nothing_unexpected() -> Generator[None]:
    """Raises: ConfigError: for whatever fails, as its exit code is 2 and 1 judges the change."""
    try:
        yield
    except (ConfigError, BrokenPipeError):
        raise
    except InfraError as error:
        raise ConfigError(error.message, hint=error.hint) from error
    except Exception as error:
        hint = "EMONK_DEBUG=1 shows the traceback"
        raise ConfigError(f"the review failed: {type(error).__name__}: {error}", hint=hint) from error


def _one_of(given: str, known: Sequence[T], option: str) -> T:
    for choice in known:
        if given == choice:
            return choice
    raise InvalidConfig(f"{option} {given} is unknown", hint=f"one of {', '.join(known)}")


def _check_output(output: Path | None) -> None:
    """A review that cannot be written is not worth making."""
    if output is not None and (output.is_dir() or not output.absolute().parent.is_dir()):
        raise InvalidConfig(f"cannot write {output}", hint="--output names a file in an existing directory")


def _run(repo: Path, base: str, head: str) -> "Review":
    from emonk.agents.jr_engineer.review import engine, stages  # noqa: PLC0415  only a review pays for its parts

    with stages.shown(sys.stderr) as progress:
        return engine.review(repo, base, head, progress=progress)


def _write(finished: "Review", shape: "Format", output: Path | None) -> None:
    from emonk.agents.jr_engineer.review import report  # noqa: PLC0415  only a review pays for its parts

    match shape:
        case "json":
            text = report.as_json(finished)
        case "markdown":
            text = report.as_markdown(finished)
        case "text":
            width = min(shutil.get_terminal_size().columns, _WIDEST)
            text = report.as_text(finished, width=width, colour=output is None and styled(sys.stdout))
    if output is None:
        _print(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidConfig(f"cannot write {output}: {error.strerror}") from error


def _print(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    shown = text.encode(encoding, "backslashreplace").decode(encoding)
    # Line by line: with PYTHONUNBUFFERED, the rest of a write that a closed pipe cut short is lost without a word.
    sys.stdout.writelines(shown.splitlines(keepends=True))
    sys.stdout.flush()
