"""Text of a stranger's branch, made safe to show: it moves no cursor, ends no Markdown block and tells no secret."""

import re
import unicodedata

from emonk.agents.jr_engineer.review.credentials import LONGEST, masked

_CODE_SPAN = re.compile(r"(`[^`\n]+`)")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7e]")
_MARKUP = re.compile(r"([\\`*_\[\]<>#!|~@&]|^[-+=]|(?<=^\d)[.)])")


def visible(text: str) -> str:
    """Control, formatting, surrogate and line separator characters as escapes; line feeds and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char in "\n\t" or not _is_hidden(char) else _escape(char) for char in text)


def visible_json(text: str) -> str:
    """A JSON document with the same characters, which only its strings can hold, in JSON's own escapes."""
    return _BEYOND_ASCII.sub(lambda found: _json_escape(found[0]) if _is_hidden(found[0]) else found[0], text)


def cut(text: str, most: int = 200) -> str:
    """The first `most` characters, without secrets, and how many there are when those are not all."""
    shown = masked(text[: most + LONGEST])
    return shown if len(text) <= most else f"{shown[:most]} ... ({len(text):,} characters)"


def one_line(text: str) -> str:
    """The same, on one line."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def code_span(text: str) -> str:
    """Inline code of Markdown that the text cannot leave."""
    shown = one_line(text)
    fence = "`" * (_longest_run(shown) + 1)
    return f"{fence} {shown} {fence}" if "`" in shown or shown != shown.strip() else f"`{shown}`"


def code_block(text: str) -> str:
    """A fenced block that the text cannot close."""
    shown = visible(text)
    fence = "`" * max(3, _longest_run(shown) + 1)
    return f"{fence}text\n{shown}\n{fence}"


def prose(text: str) -> str:
    """A sentence for Markdown: code spans stay, everything else is literal."""
    parts = _CODE_SPAN.split(one_line(text))
    return "".join(part if index % 2 else _MARKUP.sub(r"\\\1", part) for index, part in enumerate(parts))


def _is_hidden(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[index : index + 2].hex()}" for index in range(0, len(units), 2))


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
