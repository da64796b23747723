"""A survey as Markdown."""

from collections.abc import Iterator

from emonk.agents.jr_engineer.review.visible import code_span
from emonk.agents.jr_engineer.survey.survey import Survey

_MOST_ENTRIES = 40


def as_markdown(survey: Survey) -> str:
    """For a comment or a chat page."""
    return "\n\n".join(_sections(survey)) + "\n"


def _sections(survey: Survey) -> Iterator[str]:
    source = "tracked by git" if survey.tracked else "found on disk"
    yield f"**{code_span(survey.directory)}: {survey.files:,} files {source}, {survey.lines:,} lines**"
    if survey.cut:
        yield f"**Incomplete:** there are more than these {survey.files:,} files; the rest is not counted."
    if aside := _aside(survey):
        yield aside
    if survey.languages:
        yield "\n".join(_languages(survey))
    if survey.largest:
        yield "Largest files:\n\n" + "\n".join(f"- {code_span(f.path)}: {f.lines:,} lines" for f in survey.largest)
    yield "\n".join(_entries(survey.entry_points))


def _aside(survey: Survey) -> str:
    parts = [f"{survey.binary} binary files"] if survey.binary else []
    parts += [f"{survey.unreadable} that cannot be read"] if survey.unreadable else []
    return f"Not counted as lines: {', '.join(parts)}." if parts else ""


def _languages(survey: Survey) -> Iterator[str]:
    yield "| language | files | lines |"
    yield "|---|--:|--:|"
    yield from (f"| {item.language} | {item.files:,} | {item.lines:,} |" for item in survey.languages)


def _entries(found: list[str]) -> Iterator[str]:
    if not found:
        yield "No entry points are declared."
        return
    yield "Entry points:\n"
    yield from (f"- {code_span(entry)}" for entry in found[:_MOST_ENTRIES])
    if len(found) > _MOST_ENTRIES:
        yield f"- and {len(found) - _MOST_ENTRIES} more"
