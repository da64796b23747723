"""What the body of a refusal says, whoever wrote it: a provider, a proxy, or a page of something in between."""

import re
from typing import Any

import msgspec

from emonk.models.fields import as_list, as_object, as_text

SAID_LIMIT = 2000
"""Characters of a message that are kept, and searched for what is meant."""

_PAGE = re.compile(rb"(?i)^\s*(?:<!doctype|<html|<\?xml|<head|<title)")
_TITLE = re.compile(r"(?i)<title>([^<]{1,200})")


class ErrorBody(msgspec.Struct, frozen=True):
    """A refusal, as far as it could be read.

    Attributes:
        said: the message on one line; empty when there is none.
        error: the object that describes the error; empty when there is none.
        whole: the whole body, if it is an object.
        page: the body is a page for people, so that something other than an API answered.
    """

    said: str = ""
    error: dict[str, Any] = {}
    whole: dict[str, Any] = {}
    page: bool = False

    @property
    def tells(self) -> bool:
        """Whether the body itself says that it is an error, whatever the status of the answer."""
        whole = self.whole
        inner = bool(self.error) and self.error is not whole
        return inner or bool(whole.get("error")) or "error" in (whole.get("object"), whole.get("type"))


def read_error_body(body: bytes) -> ErrorBody:
    """Read `{"error": {...}}`, `{"error": "..."}`, `{"message": ...}`, `{"detail": ...}`, lists, pages, text."""
    try:
        found: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _read_text(body)
    if isinstance(found, list):
        found = next(iter(as_list(found)), None)
    if isinstance(found, str):
        return ErrorBody(one_line(found))
    whole = as_object(found)
    error = as_object(whole.get("error")) or as_object(as_object(whole.get("response")).get("error")) or whole
    return ErrorBody(one_line(_message(error, whole)), error, whole)


def one_line(text: str) -> str:
    """The beginning of a text, without line ends and what is not for reading."""
    text = text[: 2 * SAID_LIMIT]
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:SAID_LIMIT]


def _message(error: dict[str, Any], whole: dict[str, Any]) -> str:
    for value in (error.get("message"), whole.get("error"), whole.get("message"), whole.get("detail")):
        if isinstance(value, str) and value.strip():
            return value
    # FastAPI's own refusals: a list of {"loc": [...], "msg": "..."}.
    listed = as_list(whole.get("detail")) or as_list(as_object(error.get("message")).get("detail"))
    details = [as_object(detail) for detail in listed]
    return "; ".join(as_text(detail.get("msg")) for detail in details[:5] if detail.get("msg"))


def _read_text(body: bytes) -> ErrorBody:
    begin = body[: 4 * SAID_LIMIT].decode(errors="replace")
    if _PAGE.match(body[:200]):
        title = _TITLE.search(begin)
        return ErrorBody(one_line(title[1]) if title else "", page=True)
    if "\x00" in begin or "\ufffd" in begin:
        return ErrorBody()  # binary says nothing to a reader
    return ErrorBody(one_line(begin)[:200])
