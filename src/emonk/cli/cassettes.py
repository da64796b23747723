"""`--cassette DIR` and `--record` of the commands that ask models."""

from pathlib import Path
from typing import Annotated

import typer

from emonk.cli.trouble import UsageError

CassetteOption = Annotated[
    Path | None, typer.Option("--cassette", metavar="DIR", help="Answer from what was recorded there, without network.")
]
RecordOption = Annotated[bool, typer.Option("--record", help="With --cassette: ask the models, and record.")]


def insert(command: typer.Context, folder: Path | None, *, record: bool) -> None:
    """Have the models of a command record, or answer from, a cassette until it ends.

    Raises:
        UsageError: --record without --cassette.
        InvalidConfig: the folder cannot be used.
    """
    if folder is None:
        if record:
            raise UsageError("--record is for a cassette", "add --cassette DIR")
        return
    from emonk.models.cassette.cassette import Cassette  # noqa: PLC0415 - few runs have one
    from emonk.models.cassette.current import inserted  # noqa: PLC0415 - as above

    command.with_resource(inserted(Cassette(folder, record=record)))
