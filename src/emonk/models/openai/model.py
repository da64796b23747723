"""OpenAI, and every server that speaks one of its two APIs."""

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import partial

from emonk.errors import EmonkError, Unavailable
from emonk.models.http import HttpClient, check_key
from emonk.models.openai.chat_answer import ChatAnswer
from emonk.models.openai.chat_request import ChatWriter
from emonk.models.openai.endpoint import BASE_URL, Api, endpoint_of
from emonk.models.openai.errors import read_failure
from emonk.models.openai.responses_answer import ResponsesAnswer
from emonk.models.openai.responses_request import ResponsesWriter
from emonk.models.protocol import ModelDelta, ModelRequest, ModelResponse
from emonk.models.sse import EventParser

Answer = ChatAnswer | ResponsesAnswer


class OpenAIModel:
    """A model behind chat completions or the responses API."""

    def __init__(
        self, name: str, *, api_key: str = "", base_url: str = BASE_URL, api: Api = "chat", timeout: float = 300.0
    ) -> None:
        """Talk to the model `name`.

        Args:
            name: as the server names it.
            api_key: sent as a bearer token; may be empty for a server on this machine.
            base_url: where the API is; `/chat/completions` or `/responses` is added unless it ends so.
            api: which of the two is asked for; see `endpoint_of` for when it is the other.
            timeout: seconds of silence after which a call is given up; the whole call has the caller's deadline.

        Raises:
            MissingCredential: the key is empty and the server is not on this machine, or it holds what no key holds.
            InvalidConfig: `base_url` is no HTTP address.
        """
        self._name = name
        self.spec = f"{'openai' if api == 'chat' else 'openai-responses'}:{name}"
        self._api: Api = api
        self._endpoint = endpoint_of(name, base_url, api)
        if api_key.strip() or self._endpoint.needs_key:
            api_key = check_key(api_key, "OPENAI_API_KEY")
        self._http = HttpClient(
            self._endpoint.address,
            headers=_headers(api_key, self._endpoint.host),
            secret=api_key,
            silence=timeout,
            read_error=partial(read_failure, model=name),
            provider="openai",
        )
        chat = self._endpoint.api == "chat"
        self._writer = ChatWriter(name, self._endpoint) if chat else ResponsesWriter(name, self._endpoint)
        self._answer: type[Answer] = ChatAnswer if chat else ResponsesAnswer

    @classmethod
    def from_environment(
        cls, name: str, *, api_key: str | None = None, base_url: str | None = None, api: Api = "chat"
    ) -> "OpenAIModel":
        """The model with what is not given taken from `OPENAI_API_KEY` and `OPENAI_BASE_URL`.

        Raises:
            MissingCredential: there is no key, and the server is not on this machine.
            InvalidConfig: the base URL is no HTTP address.
        """
        return cls(
            name,
            api_key=api_key or os.environ.get("OPENAI_API_KEY", ""),
            base_url=base_url or os.environ.get("OPENAI_BASE_URL") or BASE_URL,
            api=api,
        )

    async def generate(self, request: ModelRequest) -> ModelResponse:
        """Ask for a whole answer.

        Raises:
            InfraError: the server cannot serve; `malformed_body` when its answer cannot be read.
            ConfigError: a human must act; `context_overflow` when the request is too long for the model.
            MalformedOutput: the server refuses what the model wrote.
        """
        written = self._writer.write(request)
        raw = await self._http.post("", written.body)
        answer = self._begin(written.names)
        try:
            answer.whole(raw)
        except EmonkError as error:
            self._http.redact(error)
            raise
        return answer.response()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta | ModelResponse]:
        """Ask for an answer in pieces; the last one is the whole answer.

        Raises:
            InfraError: the server cannot serve; `interrupted` when the stream ends before the answer does.
            ConfigError: a human must act; `context_overflow` when the request is too long for the model.
            MalformedOutput: the server refuses what the model wrote.
        """
        written = self._writer.write(request, stream=True)
        answer = self._begin(written.names)
        events = EventParser()
        async with aclosing(self._http.stream("", written.body, lambda: answer.done)) as chunks:
            async for chunk in chunks:
                for event in events.feed(chunk):
                    for delta in self._take(answer, event.data, event.event):
                        yield delta
                    if answer.done:  # it does not wait for the end of the body
                        yield answer.response()
                        break
        if not answer.complete:
            raise Unavailable(f"{self._name}: the stream ended before the answer did", code="interrupted")
        if not answer.done:
            yield answer.response()

    async def aclose(self) -> None:
        await self._http.aclose()

    def _take(self, answer: Answer, data: bytes, event: str) -> list[ModelDelta]:
        try:
            return list(answer.add(data, event))
        except EmonkError as error:
            self._http.redact(error)
            raise

    def _begin(self, names: Mapping[str, str]) -> Answer:
        return self._answer(self._name, self._endpoint.provider, names)


def _headers(api_key: str, host: str) -> dict[str, str]:
    if not api_key:
        return {}
    headers = {"Authorization": f"Bearer {api_key}"}
    if host.endswith(".azure.com"):  # which takes keys under a name of its own
        headers["api-key"] = api_key
    return headers
