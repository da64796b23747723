"""Bytes in a request: what OpenAI takes beside text, and in which form."""

from base64 import b64encode

from emonk.errors import InvalidConfig
from emonk.messages import Blob
from emonk.models.media import bare_type

IMAGES = frozenset({"image/gif", "image/jpeg", "image/png", "image/webp"})
"""https://developers.openai.com/api/docs/guides/images-vision#image-input-requirements."""

SOUNDS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}
"""https://developers.openai.com/api/docs/guides/audio, and how its API names them."""

PDF = "application/pdf"


def data_url(blob: Blob) -> str:
    """The bytes with their media type, as a URL."""
    return f"data:{bare_type(blob)};base64,{b64encode(blob.data).decode()}"


def kind_of(blob: Blob, *, sounds: bool) -> str:
    """`image`, `pdf`, `sound` or `text`.

    Raises:
        InvalidConfig: no bytes, or of a type that no such API takes.
    """
    mime_type = bare_type(blob)
    if not blob.data:
        raise InvalidConfig(f"a part of type {mime_type or 'unknown'} holds no bytes", hint="leave it out")
    if mime_type in IMAGES:
        return "image"
    if mime_type == PDF:
        return "pdf"
    if sounds and mime_type in SOUNDS:
        return "sound"
    if mime_type.startswith("text/") or mime_type in {"application/json", "application/xml"}:
        return "text"
    known = ", ".join([*sorted(IMAGES), PDF, *(["audio/mpeg", "audio/wav"] if sounds else []), "text/*"])
    raise InvalidConfig(
        f"the OpenAI API takes no {mime_type or 'bytes without a media type'}", hint=f"it takes {known}"
    )


def text_of(blob: Blob) -> str:
    """A text file as text."""
    return blob.data.decode(errors="replace")


def sound_format(blob: Blob) -> str:
    """`wav` or `mp3`."""
    return SOUNDS[bare_type(blob)]
