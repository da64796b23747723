"""`emonk serve`: the agents behind a web page and an HTTP API."""

import errno
import ipaddress
import os
import secrets
import socket
from typing import Annotated

import typer

from emonk.cli.cassettes import CassetteOption, RecordOption, insert
from emonk.cli.tenants import load_agents, pages
from emonk.cli.trouble import UsageError, log_to_file, show_alerts

ALL_INTERFACES = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  recognised here, never bound to unasked


def serve(
    command: typer.Context,
    agent: Annotated[
        list[str] | None,
        typer.Argument(metavar="[AGENT]...", help="Which agents; all that emonk ships if none is named."),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8080,
    model: Annotated[str | None, typer.Option(help="For example gemini:gemini-3.5-flash, or offline.")] = None,
    *,
    cassette: CassetteOption = None,
    record: RecordOption = False,
) -> None:
    """Serve agents: a chat page at / and the API under /api, behind a token.

    EMONK_TOKEN sets the token; without it one is made and printed with the address. EMONK_ALLOWED_HOSTS names
    further hosts, with commas between, that this server answers to.
    """
    log_to_file()
    show_alerts()
    insert(command, cassette, record=record)
    given = _given_token(host)
    token = given or secrets.token_urlsafe(24)
    agents = load_agents(agent or (), model=model)
    listener = _listen(host, port)
    from emonk.cli.serving import Serving  # noqa: PLC0415  wrong arguments are told before the server is loaded

    serving = Serving(
        agents, listener, token=token, pages=tuple(pages()), allowed_hosts=_hosts(host), show_token=not given
    )
    raise typer.Exit(serving.run())


def _given_token(host: str) -> str:
    """The token of the environment, or nothing.

    Raises:
        UsageError: no header can carry it, or the server would be open to the network with a token that only its
            terminal has seen.
    """
    given = os.environ.get("EMONK_TOKEN", "").strip()
    if not given and not _is_loopback(host):
        raise UsageError(
            f"--host {host} opens this server to the network", "set EMONK_TOKEN to a secret of your own first"
        )
    if not (given.isascii() and given.isprintable()):
        raise UsageError("EMONK_TOKEN holds more than printable ASCII characters", "an HTTP header could not carry it")
    return given


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _hosts(host: str) -> frozenset[str]:
    named = os.environ.get("EMONK_ALLOWED_HOSTS", "").split(",")
    return frozenset(name.strip() for name in (*named, host) if name.strip()) - ALL_INTERFACES


def _listen(host: str, port: int) -> socket.socket:
    bare = host.strip("[]")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    try:
        return socket.create_server((bare, port), family=family, backlog=2048)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {host}:{port}: {_reason(error)}", "choose another with --port or --host"
        ) from error


def _reason(error: OSError) -> str:

    if error.errno == errno.EADDRINUSE:
        return "the port is in use"
    return (error.strerror or str(error)).lower()
