"""Bytes in a request: what Anthropic takes beside text.

https://platform.claude.com/docs/en/build-with-claude/vision and .../pdf-support.
"""

from typing import Any

from emonk.errors import InvalidConfig
from emonk.messages import Blob
from emonk.models.media import bare_type

IMAGES = frozenset({"image/gif", "image/jpeg", "image/png", "image/webp"})
PDF = "application/pdf"


def is_image(blob: Blob) -> bool:
    """Whether it can be shown to the model as an image."""
    return bool(blob.data) and bare_type(blob) in IMAGES


def media_block(blob: Blob) -> dict[str, Any]:
    """An image, a PDF, or a text file as a document.

    Raises:
        InvalidConfig: `unsupported_media`: no bytes, or of a type that the API does not take.
    """
    mime_type = bare_type(blob)
    if not blob.data:
        raise InvalidConfig(
            f"a part of type {mime_type or 'unknown'} holds no bytes", hint="leave it out", code="unsupported_media"
        )
    if mime_type in IMAGES:
        return {"type": "image", "source": {"type": "base64", "media_type": mime_type, "data": blob.data}}
    if mime_type == PDF:
        return {"type": "document", "source": {"type": "base64", "media_type": PDF, "data": blob.data}}
    if mime_type.startswith("text/"):
        text = blob.data.decode(errors="replace")
        return {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text}}
    raise InvalidConfig(
        f"the Anthropic API takes no {mime_type or 'bytes without a media type'}",
        hint=f"it takes {', '.join(sorted(IMAGES))}, {PDF} and text/*",
        code="unsupported_media",
    )
