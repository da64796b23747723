"""The commands, and what happens to the errors of all of them."""

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

import emonk
from emonk.cli import chat, costs, effects, rerun, router, serve, sessions, sim
from emonk.cli.streams import discard_output, open_streams, output_failure
from emonk.cli.tenants import commands
from emonk.cli.trouble import FAILED, INTERRUPTED, UNREAD, complain, report

PLAIN: dict[str, Any] = {"add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False}
HELP = {"help_option_names": ["-h", "--help"]}


def build() -> typer.Typer:
    """The command line, with what the shipped agents add to it."""
    app = typer.Typer(name="emonk", context_settings=HELP, callback=_emonk, invoke_without_command=True, **PLAIN)
    for command in commands():
        app.command(command.name)(command.run)
    app.command("chat")(chat.chat)
    app.command("serve")(serve.serve)
    app.command("costs")(costs.costs)
    app.command("sim")(sim.sim)
    app.command("rerun")(rerun.rerun)
    app.add_typer(effects.app, name="effects")
    app.add_typer(router.app, name="router")
    app.add_typer(sessions.app, name="sessions")
    return app


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code of the process."""
    if not open_streams():
        complain("standard output is closed")
        return FAILED
    code = _attempt(arguments)
    if output_failure() is None:
        return code
    discard_output()  # else the interpreter tries again when it ends, and makes an exit code of its own
    return code or FAILED


def _attempt(arguments: Sequence[str] | None) -> int:
    try:
        code: object = build()(args=arguments, prog_name="emonk", standalone_mode=False)
        sys.stdout.flush()
    except typer.Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("\n")
        return INTERRUPTED
    except BrokenPipeError:
        return _gone()
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # which Typer makes a 1 of
            return _gone()
        raise
    except OSError as error:
        return _unwritten() or report(error)
    except Exception as error:  # noqa: BLE001  nothing may reach the user as a traceback
        return _misused(error) or report(error)
    return code if isinstance(code, int) else 0


def _emonk(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Single-purpose LLM agents that survive faults."""
    if version:
        sys.stdout.write(f"emonk {emonk.__version__}\n")
        raise typer.Exit
    if context.invoked_subcommand is None:
        sys.stdout.write(context.get_help() + "\n")
        raise typer.Exit


def _misused(error: Exception) -> int | None:
    """Report what Typer finds wrong with the arguments; its classes move between versions, their shape does not."""
    describe = getattr(error, "format_message", None)
    if describe is None:
        return None
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "emonk"
    complain(str(describe()).strip().rstrip("."), f"see {command} --help")
    code: int = getattr(error, "exit_code", 2)
    return code


def _gone() -> int:
    """Nobody reads on, as with `emonk ... | head`: end quietly."""
    discard_output()
    return UNREAD


def _unwritten() -> int | None:
    """Report that the output cannot be written, if that is what is wrong."""
    failure = output_failure()
    if failure is None:
        return None
    discard_output()
    complain(f"cannot write to standard output: {failure.strerror}")
    return FAILED
