"""Where `emonk router` may write: over nothing that it would not have written itself."""

import os
from pathlib import Path

from emonk.cli.terminal import one_line
from emonk.cli.trouble import UsageError


def check_model_target(out: Path, data: Path, *, force: bool) -> None:
    """See before the training that the model can go there.

    Raises:
        UsageError: it is the training data, no file can be there, or, without `force`, something else is there.
    """
    try:
        if _found(out) and data.exists() and out.samefile(data):
            raise UsageError(f"--out is the data itself, {one_line(str(out))}", "give the model another name")
        if out.exists() and not out.is_file():
            raise UsageError(f"{one_line(str(out))} is no file", "write --out FILE")
        if not force and _found(out) and not _is_model(out):
            raise _other(out, "model of a router")
    except OSError as error:
        raise _unusable(out, error) from error


def check_rows_target(out: Path, *, force: bool) -> None:
    """See before the sessions are read that the rows can go there.

    Raises:
        UsageError: no file can be there, or, without `force`, something else is there.
    """
    try:
        if not force and _found(out) and not _is_rows(out):
            raise _other(out, "file of rows")
    except OSError as error:
        raise _unusable(out, error) from error


def write_rows(out: Path, rows: bytes) -> None:
    """Write them.

    Raises:
        UsageError: they cannot be written there.
    """
    try:
        out.write_bytes(rows)
    except OSError as error:
        raise _unusable(out, error) from error


def _found(out: Path) -> bool:
    """Whether something is in that file already, which can be written."""
    shown = one_line(str(out))
    if out.is_dir():
        raise UsageError(f"{shown} is a folder", "write --out FILE")
    if not out.parent.is_dir():
        raise UsageError(f"{shown} cannot be written: there is no folder {one_line(str(out.parent))}")
    if not os.access(out if out.exists() else out.parent, os.W_OK):
        raise UsageError(f"{shown} cannot be written: permission denied")
    return out.is_file() and out.stat().st_size > 0


def _is_model(path: Path) -> bool:
    from emonk.routing.model_file import MAGIC  # noqa: PLC0415  help is shown without it

    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _is_rows(path: Path) -> bool:
    from emonk.routing.outcomes import parse_outcomes  # noqa: PLC0415 - as above

    with path.open("rb") as file:
        return not parse_outcomes(file).broken


def _other(out: Path, kind: str) -> UsageError:
    return UsageError(f"{one_line(str(out))} is there already and is no {kind}", "--force writes over it")


def _unusable(out: Path, error: OSError) -> UsageError:
    return UsageError(f"{one_line(str(out))} cannot be written: {error.strerror or error}")
