"""What a store refuses before it writes anything, the same for every backend."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from emonk.errors import InvalidConfig
from emonk.records import METADATA_BYTES
from emonk.store.memory_protocol import MEMORY_BYTES
from emonk.store.record_protocol import RECORD_BYTES, Put
from emonk.store.refusals import no_text


def check_texts(*texts: str) -> None:
    """See that all of them can be kept.

    Raises:
        InvalidConfig: one holds half a character.
    """
    try:
        for text in texts:
            if not text.isascii():
                text.encode()
    except UnicodeEncodeError as error:
        raise no_text(error) from None


def checked_puts(puts: Sequence[Put]) -> tuple[Put, ...]:
    """The puts.

    Raises:
        ValueError: two of them name the same record, one has no key, too much data or a version below 0.
        InvalidConfig: a key, namespace or state is no text.
    """
    if len({(put.namespace, put.key) for put in puts}) != len(puts):
        raise ValueError("Two puts name the same record")
    for put in puts:
        if not put.key:
            raise ValueError("A record needs a key")
        if len(put.data) > RECORD_BYTES:
            raise ValueError(f"Record {put.key[:100]!r} has {len(put.data)} bytes, more than {RECORD_BYTES}")
        if put.expected_version < 0:
            raise ValueError(f"No version is {put.expected_version}")
        check_texts(put.namespace, put.key, put.state)
        if put.session is not None:
            check_texts(put.session.agent, put.session.session_id)
    return tuple(puts)


def check_memory(key: str, text: str) -> None:
    """See that it can be remembered.

    Raises:
        ValueError: there is no key, or the text is too long.
        InvalidConfig: one of them is no text.
    """
    check_texts(key, text)
    if not key:
        raise ValueError("A memory needs a key")
    size = len(text.encode())
    if size > MEMORY_BYTES:
        raise ValueError(f"Memory {key[:100]!r} has {size} bytes, more than {MEMORY_BYTES}")


def encoded_metadata(metadata: Mapping[str, Any] | None) -> bytes:
    """The metadata as JSON, empty where there are none.

    Raises:
        InvalidConfig: they are no JSON, or too long.
    """
    if not metadata:
        return b""
    import json  # noqa: PLC0415 - refuses what msgspec makes something else of, and is seldom needed

    try:
        text = json.dumps(dict(metadata), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        data = text.encode()
    except UnicodeEncodeError as error:
        raise no_text(error) from None
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidConfig(f"The session's metadata are no JSON: {error}") from error
    if len(data) > METADATA_BYTES:
        raise InvalidConfig(f"The session's metadata have {len(data)} bytes, more than {METADATA_BYTES}")
    return data


def decoded_metadata(data: bytes | None) -> dict[str, Any]:
    """What `encoded_metadata` gave."""
    return msgspec.json.decode(data, type=dict[str, Any]) if data else {}
