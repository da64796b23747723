"""Finds every fenced block of a page, and refuses what it could not collect."""

import re
from collections.abc import Iterator

import msgspec
from markdown_it import MarkdownIt
from markdown_it.token import Token

EXECUTED = frozenset({"python", "console"})
CHECKED = frozenset({"json", "toml", "yaml"})
INERT = frozenset({"diff", "markdown", "mermaid", "output", "text"})
DIRECTIVES = frozenset({"background", "gemini", "project", "repository"})

_FENCE = re.compile(r"[\s>*+-]*(?:\d+[.)]\s+)?(?:```|~~~)")
_DIRECTIVE = re.compile(r"\A<!--\s*docs:\s*(?P<name>[\w-]+)\s*(?P<argument>.*?)\s*-->\s*\Z", re.DOTALL)


class UncollectedError(Exception):
    """Something that looks like a block or a directive, and that nothing would check."""


class Block(msgspec.Struct, frozen=True):
    """A fenced block: `line` is that of its first line in the page, `shown` the output that follows it, if any."""

    page: str
    line: int
    language: str
    text: str
    directives: dict[str, str] = {}
    shown: str | None = None

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: str, markdown: str) -> list[Block]:
    """The blocks of a page in their order.

    Raises:
        UncollectedError: a block without a language or in an unknown one, one that does not end, indented code, a fence
            that Markdown does not see as one, or a directive that is unknown or stands before no block.
    """
    tokens = MarkdownIt("commonmark").parse(markdown)
    _refuse_strays(page, markdown, tokens)
    return list(_blocks(page, tokens))


def _blocks(page: str, tokens: list[Token]) -> Iterator[Block]:
    directives: dict[str, str] = {}
    before: Block | None = None  # a Python block that may be followed by what it prints
    for token in tokens:
        block = _block(page, token, directives)
        if before is not None:
            follows = block is not None and block.language in ("text", "output")
            yield msgspec.structs.replace(before, shown=token.content if follows else None)
            before = None
            if follows:
                continue
        if block is None:
            directives = directives | _directive(page, token, directives)
            continue
        directives = {}
        if block.language == "output":
            raise UncollectedError(f"{block.place}: an output block stands right after the python block that prints it")
        if block.language == "python":
            before = block
        else:
            yield block
    if before is not None:
        yield before
    if directives:
        raise UncollectedError(f"{page}: the directive {', '.join(directives)} stands before no block")


def _block(page: str, token: Token, directives: dict[str, str]) -> Block | None:
    line = (token.map or [0])[0] + 1
    if token.type == "code_block":
        raise UncollectedError(f"{page}:{line}: indented code is not checked; fence it and name its language")
    if token.type != "fence":
        return None
    language = token.info.strip()
    if language not in EXECUTED | CHECKED | INERT:
        known = ", ".join(sorted(EXECUTED | CHECKED | INERT))
        raise UncollectedError(f"{page}:{line}: a block in {language or 'no language'}; one of {known} is expected")
    return Block(page, line + 1, language, token.content, directives)


def _directive(page: str, token: Token, waiting: dict[str, str]) -> dict[str, str]:
    found = _DIRECTIVE.match(token.content) if token.type == "html_block" else None
    line = (token.map or [0])[0] + 1
    if found is None:
        if waiting and token.nesting >= 0:
            raise UncollectedError(f"{page}:{line}: the directive {', '.join(waiting)} stands before no block")
        if "<pre" in token.content or re.match(r"\s*<!--\s*docs\b", token.content):
            raise UncollectedError(f"{page}:{line}: not collected: {token.content.strip().splitlines()[0]}")
        return {}
    if found["name"] not in DIRECTIVES:
        raise UncollectedError(
            f"{page}:{line}: no directive {found['name']}; there are {', '.join(sorted(DIRECTIVES))}"
        )
    return {found["name"]: found["argument"]}


def _refuse_strays(page: str, markdown: str, tokens: list[Token]) -> None:
    lines = markdown.splitlines()
    fences = [(token.map[0], token.map[1], token.markup) for token in tokens if token.type == "fence" and token.map]
    for first, end, markup in fences:
        if end - first < 2 or markup not in lines[end - 1]:
            raise UncollectedError(f"{page}:{first + 1}: the block does not end")
    inside = {line for first, end, _ in fences for line in range(first, end)}
    for number, line in enumerate(lines):
        if number not in inside and _FENCE.match(line):
            raise UncollectedError(f"{page}:{number + 1}: a fence that Markdown does not see as one")
