"""From a model string to an adapter."""

from emonk.errors import InvalidConfig
from emonk.models.protocol import Model
from emonk.models.specs import spec_hint


def create(spec: str, *, api_key: str | None = None, base_url: str | None = None) -> Model:
    """The model that `spec` names: `PROVIDER:NAME` or `offline`.

    Keys and endpoints that are not given come from the environment (`GEMINI_API_KEY`, `EMONK_GEMINI_BASE_URL`;
    `OPENAI_API_KEY`, `OPENAI_BASE_URL`; `ANTHROPIC_API_KEY`, `ANTHROPIC_BASE_URL`).

    Raises:
        InvalidConfig: no such provider, or no model name.
        MissingCredential: the provider's key is nowhere to be found.
    """
    provider, _, name = spec.partition(":")
    match provider:
        case "offline" if not name:
            from emonk.models.offline import OfflineModel  # noqa: PLC0415 - only the adapter that is used

            return OfflineModel()
        case "gemini" if name:
            from emonk.models.gemini.model import GeminiModel  # noqa: PLC0415 - as above

            return GeminiModel.from_environment(name, api_key=api_key, base_url=base_url)
        case "vertex" if name:
            if api_key:
                raise InvalidConfig("Vertex AI takes no API key", hint="it takes application default credentials")
            from emonk.models.gemini.vertex import VertexModel  # noqa: PLC0415 - as above

            return VertexModel.from_environment(name, base_url=base_url)
        case "openai" | "openai-responses" if name:
            from emonk.models.openai.model import OpenAIModel  # noqa: PLC0415 - as above

            api = "chat" if provider == "openai" else "responses"
            return OpenAIModel.from_environment(name, api_key=api_key, base_url=base_url, api=api)
        case "anthropic" if name:
            from emonk.models.anthropic.model import AnthropicModel  # noqa: PLC0415 - as above

            return AnthropicModel.from_environment(name, api_key=api_key, base_url=base_url)
        case _:
            raise InvalidConfig(f"{spec!r} names no model this version has", hint=spec_hint(spec))
