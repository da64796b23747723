"""The command line: the one place that picks agents, faces and extensions and puts them together."""


def main() -> None:
    """Run `emonk` with the arguments of the process, and exit."""
    from emonk.cli.app import run  # noqa: PLC0415  an import of emonk.cli costs nothing

    raise SystemExit(run())
