"""Bytes in messages: their types, and what stands for those that a model does not take.

What a user sent is in every later request of the session, at whichever model that is made. So only what is said last
must be taken as it is; of older bytes a note remains, else they would end the session.
"""

from collections.abc import Sequence

from emonk.messages import Blob, Message, Text, UserMessage

_ALIASES = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg"}


def bare_type(blob: Blob) -> str:
    """The media type without parameters, in its own name."""
    mime_type = blob.mime_type.partition(";")[0].strip().lower()
    return _ALIASES.get(mime_type, mime_type)


def note_of(blob: Blob) -> Text:
    """What a model is told of bytes that it cannot be shown."""
    return Text(f"[{bare_type(blob) or 'a file'}: cannot be shown]")


def last_user(messages: Sequence[Message]) -> int:
    """The place of what the user said last; -1 without one."""
    for index in range(len(messages) - 1, -1, -1):
        if isinstance(messages[index], UserMessage):
            return index
    return -1
