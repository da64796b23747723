"""What of an agent's files goes into every prompt: its instructions and its brand voice."""

import msgspec

from emonk.errors import InvalidArguments, InvalidConfig
from emonk.memory.files import MemoryFiles

SYSTEM_PROMPT = "SYSTEM_PROMPT.md"
BRAND_VOICE = "BRAND_VOICE.md"
PROMPT_BYTES = 100_000
"""It is sent with every call of a model: what is longer belongs into files that the model reads when it needs them."""


class Prompt(msgspec.Struct, frozen=True):
    """An agent's instructions, and what a person should know of where they come from."""

    text: str
    notices: tuple[str, ...] = ()


async def read_prompt(files: MemoryFiles, instructions: str) -> Prompt:
    """`SYSTEM_PROMPT.md`, or the given instructions where there is none; then `BRAND_VOICE.md`, if there is one.

    Raises:
        InvalidConfig: one is longer than `PROMPT_BYTES`, or is not UTF-8.
        InfraError: they cannot be read now.
    """
    own, voice = await _text(files, SYSTEM_PROMPT), await _text(files, BRAND_VOICE)
    replaced = own and instructions.strip() and own != instructions.strip()
    notices = (f"{SYSTEM_PROMPT} takes the place of the instructions in the agent's file",) if replaced else ()
    parts = [own or instructions.strip(), f"# Brand voice ({BRAND_VOICE})\n\n{voice}" if voice else ""]
    return Prompt("\n\n".join(part for part in parts if part), notices)


async def _text(files: MemoryFiles, path: str) -> str:
    try:
        file = await files.read(path)
    except InvalidArguments as error:
        raise InvalidConfig(error.message, hint=error.hint) from error
    if file is None:
        return ""
    if len(file.data) > PROMPT_BYTES:
        raise InvalidConfig(f"{path} is longer than {PROMPT_BYTES} bytes", hint="it is sent with every call of a model")
    try:
        return file.data.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise InvalidConfig(f"{path} is not UTF-8", hint="save the file as UTF-8") from error
