"""Where an OpenAI-compatible server is, which of the two APIs is spoken there, and what is known of it by its name."""

import re
from typing import Literal
from urllib.parse import SplitResult, urlsplit, urlunsplit

import msgspec

from emonk.errors import InvalidConfig
from emonk.models.http import LOOPBACK

BASE_URL = "https://api.openai.com/v1"

Api = Literal["chat", "responses"]

_PATHS: dict[Api, str] = {"chat": "/chat/completions", "responses": "/responses"}
_OWN = re.compile(r"(?i)(?:[\w-]+\.)?api\.openai\.com")

_RESPONSES_ONLY = re.compile(
    r"o\d-pro|gpt-[\d.]+-pro|.*codex|.*deep-research|computer-use|gpt-5\.(?:[2-9]|\d\d)|gpt-(?:[6-9]|\d\d)"
)
"""Models that OpenAI serves by the responses API only, or, from GPT-5.2 on, with tools and reasoning only there.

https://developers.openai.com/api/docs/models, and openai/openai-openapi issue 541.
"""

_CHAT_ALIAS = re.compile(r".*chat-latest")

_REASONING = re.compile(r"o\d|gpt-(?:[5-9]|\d\d)|codex")
_NOT_REASONING = re.compile(r"gpt-5-chat|.*-chat-latest|gpt-5-search")

_MARKS_CACHE = re.compile(r"(?i)(?:.*\.)?openrouter\.ai")

_NEEDS_REASONING = re.compile(r"(?i)(?:.*\.)?(?:deepseek\.com|moonshot\.(?:ai|cn))")


class Endpoint(msgspec.Struct, frozen=True):
    """A server and how it is spoken to.

    Attributes:
        api: chat completions or responses.
        address: where requests go.
        host: of the address.
        own: it is OpenAI's.
        provider: whose signatures its messages carry; those of one server mean nothing to another.
    """

    api: Api
    address: str
    host: str
    own: bool
    provider: str

    @property
    def needs_key(self) -> bool:
        """A server on this machine, such as Ollama or vLLM, is mostly open."""
        return self.host not in LOOPBACK

    def marks_cache(self, name: str) -> bool:
        """Whether the server has to be asked for caching: OpenRouter for Claude, which caches nothing by itself.

        https://openrouter.ai/docs/client-sdks/typescript/models/anthropiccachecontroldirective.
        """
        return _MARKS_CACHE.fullmatch(self.host) is not None and "claude" in name

    @property
    def needs_reasoning(self) -> bool:
        """A message with calls is refused without the field `reasoning_content`, be it empty.

        https://api-docs.deepseek.com/guides/thinking_mode, and Moonshot's own like it.
        """
        return _NEEDS_REASONING.fullmatch(self.host) is not None


def endpoint_of(name: str, base_url: str, api: Api) -> Endpoint:
    """The endpoint of the model `name` under a base address; one that names an API's path is the whole address.

    Args:
        name: the model.
        base_url: as OpenAI's SDK takes it, for example `https://api.openai.com/v1`.
        api: which is asked for; OpenAI's own models that are served by `responses` alone are asked there all the same.

    Raises:
        InvalidConfig: `base_url` is no HTTP address.
    """
    parts, host = _parts(base_url)
    own = _OWN.fullmatch(host) is not None
    path = parts.path.rstrip("/")
    named: Api | None = next((each for each, end in _PATHS.items() if path.endswith(end)), None)
    if named is None:
        if own and api == "chat" and _RESPONSES_ONLY.match(name) and not _CHAT_ALIAS.match(name):
            api = "responses"
        path += _PATHS[api]
    else:
        api = named
    address = urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))
    provider = "openai" if api == "chat" else "openai-responses"
    return Endpoint(api, address, host, own, provider if own else f"{provider}@{host}")


def _parts(base_url: str) -> tuple[SplitResult, str]:
    try:
        parts = urlsplit(base_url)
        if parts.scheme in {"http", "https"} and parts.hostname:
            return parts, parts.hostname.lower()
    except ValueError:
        pass
    raise InvalidConfig(f"{base_url!r} is no address of a model provider", hint="write https://HOST/v1")


def reasons(name: str) -> bool:
    """Whether a name is that of one of OpenAI's reasoning models, also as gateways write it: `openai/o3`."""
    bare = re.split(r"[/]|openai\.", name)[-1]
    return _REASONING.match(bare) is not None and _NOT_REASONING.match(bare) is None
