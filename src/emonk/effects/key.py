"""The name of an effect: the same call for the same occasion has the same one, whoever makes it and how often."""

from hashlib import sha256

import msgspec

from emonk.records import SessionKey
from emonk.skills.effect import Identity


def turn_occasion(session: SessionKey, message_id: str) -> str:
    """The occasion of what is done for one message; unambiguous whatever is in the names."""
    return msgspec.json.encode(["turn", session.agent, session.session_id, message_id]).decode()


def effect_key(tool: str, identity: Identity, occasion: str) -> str:
    """64 hexadecimal digits."""
    parts = [tool, identity.account, identity.arguments, occasion]
    return sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()
