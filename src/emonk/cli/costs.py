"""`emonk costs`: what was spent, by what you like."""

import sys
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from emonk.cli.cost_formats import Report, as_csv, as_json, as_text
from emonk.cli.session_place import JsonOption, ask, place_of
from emonk.cli.terminal import one_line, say
from emonk.cli.trouble import UsageError

if TYPE_CHECKING:
    from emonk.costs.book import PriceBook
    from emonk.costs.tracker import By
    from emonk.store.protocol import Store


FORMATS = ("text", "json", "csv")


def costs(
    by: Annotated[
        str, typer.Option("--by", help="model, agent, day, purpose, user, session, provider, role or lead.")
    ] = "model",
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="From then on: 7d, 12h, or a day such as 2026-11-01.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="WHEN", help="Until then; a day is included.")] = None,
    agent: Annotated[
        str | None, typer.Option("--agent", help="Only this agent: its name, or the path of its agent.yaml or folder.")
    ] = None,
    *,
    user: Annotated[str | None, typer.Option("--user", help="Only this user.")] = None,
    form: Annotated[str | None, typer.Option("--format", help="text, json or csv.")] = None,
    json: JsonOption = False,
) -> None:
    """Show what models cost, by the rows of every call. Days are those of UTC."""
    word = _word(by)
    form = form or ("json" if json else "text")
    if form not in FORMATS or (json and form != "json"):
        said = "json as well" if form in FORMATS else one_line(repr(form), 40)
        raise UsageError(f"the format is {said}", f"write one of {', '.join(FORMATS)}")
    now = datetime.now(UTC)
    start, end = _when("--since", since, now), _when("--until", until, now)
    _check(start, end)
    place, prices = place_of(agent), _prices(agent)

    async def query(store: "Store") -> Report:
        from emonk.costs.tracker import CostTracker  # noqa: PLC0415 - as above

        tracker = CostTracker(store, prices=prices)
        name = place.agent
        rows = await tracker.totals(word, start=start, end=end, agent=name, user_id=user)
        (total,) = await tracker.totals(start=start, end=end, agent=name, user_id=user)
        savings = await tracker.savings(start=start, end=end, agent=name, user_id=user)
        return Report(by, rows, total, savings, since=since, until=until)

    report = ask(place, query) or Report.empty(by, since=since, until=until)
    match form:
        case "json":
            say(as_json(report))
        case "csv":
            say(as_csv(report))
        case _:
            for line in as_text(report, sys.stdout):
                say(line)


def _word(by: str) -> "By":
    from emonk.costs.tracker import WORDS  # noqa: PLC0415 - help is shown without it

    for word in WORDS:
        if word == by:
            return word
    raise UsageError(f"{one_line(repr(by), 40)} is nothing to sum by", f"write one of {', '.join(WORDS)}")


def _prices(agent: str | None) -> "PriceBook | None":
    """An agent of a file may have prices of its own, by which its lead is compared."""
    from emonk.cli.tenants import SHIPPED, agent_file  # noqa: PLC0415 - as above

    path = None if agent is None or agent in SHIPPED else agent_file(agent)
    if path is None:
        return None
    from emonk.agent.file import read_agent_file  # noqa: PLC0415 - as above
    from emonk.costs.book import PriceBook  # noqa: PLC0415 - as above

    return PriceBook(read_agent_file(path).prices)


def _check(start: date | None, end: date | None) -> None:
    """Refuse what is no period, also where there is nothing to sum yet."""
    from emonk.costs.period import period  # noqa: PLC0415 - as above

    period(start, end)


def _when(option: str, text: str | None, now: datetime) -> date | None:
    """A day, an instant, or so long ago."""
    from emonk.agent.expiry import age  # noqa: PLC0415 - as above
    from emonk.errors import InvalidConfig  # noqa: PLC0415 - as above

    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        pass
    else:
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    try:
        return datetime.fromtimestamp(max(now.timestamp() - age(option, text), 0), UTC)
    except (InvalidConfig, OverflowError):
        said = one_line(repr(text), 40)
        raise UsageError(f"{option} is {said}", "write a day such as 2026-11-01, or an age such as 7d or 12h") from None
