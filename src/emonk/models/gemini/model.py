"""The Gemini API."""

import os
from collections.abc import AsyncGenerator
from functools import partial
from types import CoroutineType
from typing import Any
from urllib.parse import quote

from emonk.models.gemini.calls import GenerateContent
from emonk.models.gemini.errors import read_failure
from emonk.models.http import HttpClient, check_key
from emonk.models.protocol import ModelDelta, ModelRequest, ModelResponse

BASE_URL = "https://generativelanguage.googleapis.com"


class GeminiModel:
    """A model behind `generateContent` and `streamGenerateContent`."""

    def __init__(self, name: str, *, api_key: str, base_url: str = BASE_URL, timeout: float = 300.0) -> None:
        """Talk to the model `name`.

        Args:
            name: as Google names it, with or without `models/`.
            api_key: sent as `x-goog-api-key`. A local stand-in wants one too; it takes any.
            base_url: where the API is; `/v1beta` is added unless it ends in a version.
            timeout: seconds of silence after which a call is given up; the whole call has the caller's deadline.

        Raises:
            MissingCredential: the key is empty, or holds what no key holds.
            InvalidConfig: `base_url` is no HTTP address.
        """
        api_key = check_key(api_key, "GEMINI_API_KEY")
        self.spec = f"gemini:{name}"
        http = HttpClient(
            base_url,
            headers={"x-goog-api-key": api_key},
            secret=api_key,
            silence=timeout,
            read_error=partial(read_failure, model=name),
            provider="gemini",
        )
        version = "" if base_url.rstrip("/").rpartition("/")[2] in {"v1", "v1beta", "v1alpha"} else "/v1beta"
        self._calls = GenerateContent(name, http, f"{version}/{quote(name if '/' in name else f'models/{name}')}")

    @classmethod
    def from_environment(cls, name: str, *, api_key: str | None = None, base_url: str | None = None) -> "GeminiModel":
        """The model with what is not given taken from `GEMINI_API_KEY` and `EMONK_GEMINI_BASE_URL`.

        Raises:
            MissingCredential: there is no key; a base URL on loopback does not change that.
            InvalidConfig: the base URL is no HTTP address.
        """
        return cls(
            name,
            api_key=api_key or os.environ.get("GEMINI_API_KEY", ""),
            base_url=base_url or os.environ.get("EMONK_GEMINI_BASE_URL") or BASE_URL,
        )

    def generate(self, request: ModelRequest) -> "CoroutineType[Any, Any, ModelResponse]":
        """Ask for a whole answer; see `GenerateContent.generate`."""
        return self._calls.generate(request)

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta | ModelResponse]:
        """Ask for an answer in pieces; see `GenerateContent.stream`."""
        return self._calls.stream(request)

    async def aclose(self) -> None:
        await self._calls.aclose()
