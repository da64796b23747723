"""What a tool returned, in words for the model."""

from typing import Any

import msgspec

NOTHING = "Done; there is nothing to report."


def phrase(result: Any) -> str:
    """Text as it is; everything else as JSON, with `str()` for what JSON does not know."""
    if isinstance(result, str):
        return result
    return NOTHING if result is None else msgspec.json.encode(result, enc_hook=str).decode()
