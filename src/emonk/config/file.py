"""Loads a YAML file into a typed struct."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from emonk.config.misfit import fit
from emonk.config.reader import mistake, read
from emonk.errors import InvalidConfig

T = TypeVar("T")

MAX_BYTES = 1024 * 1024


def load(path: Path, schema: type[T], *, env: Mapping[str, str] | None = None) -> T:
    """Read `path` as YAML, put the variables of `env` in, and convert it to `schema`.

    Args:
        path: a file of at most 1 MiB of UTF-8.
        schema: a msgspec struct; unknown keys are refused in it and in every struct below it.
        env: what `${VAR}` means; the environment of the process when None.

    Raises:
        InvalidConfig: the file cannot be read or does not fit; the message begins with `FILE:LINE: KEY.PATH:`.
    """
    file = str(path)
    return fit(read(_text(path), file, env=os.environ if env is None else env), schema, file)


def _text(path: Path) -> str:
    try:
        if not (path.is_file() or path.is_dir()) and path.exists():
            raise InvalidConfig(f"{path}: is no regular file", hint="a pipe or a device is not read")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InvalidConfig(f"{path}: cannot be read: {reason}") from error
    if len(raw) > MAX_BYTES:
        raise InvalidConfig(f"{path}: is larger than 1 MiB", hint="is this the right file?")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise mistake(str(path), line, (), "is not UTF-8", "save the file as UTF-8") from None
