"""A local stand-in for the Anthropic API that speaks real HTTP on loopback.

`python -m emonk.testing.anthropic --help` tells how to run one in its own process, to try an outage by hand.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aiohttp import web

from emonk.testing import anthropic_answers
from emonk.testing.answers import Answer, Json, Raw, SeenRequest
from emonk.testing.anthropic_answers import event_bytes, events_of
from emonk.testing.anthropic_rules import Refused, check
from emonk.testing.outage import run
from emonk.testing.stand_in import StandIn

ABOUT = """\
A stand-in for the Anthropic API on 127.0.0.1, to try things by hand: set ANTHROPIC_BASE_URL to the url that it prints
and ANTHROPIC_API_KEY to anything.
"""


class AnthropicServer(StandIn):
    """Answers `/v1/messages` from a script.

    Requests without a key or a version, or against Anthropic's documented rules, get Anthropic's 4xx.
    """

    no_json = "The request body is not valid JSON."

    def __init__(
        self,
        script: Iterable[Answer] | Callable[[SeenRequest], Any],
        *,
        api_key: str | None = None,
        models: Iterable[str] = (),
        port: int = 0,
    ) -> None:
        """Answer from a list, or always by one function of the request.

        Args:
            script: the answers; when a list is used up, every further request gets a 500 that says so.
            api_key: the only key that is accepted; any key when None.
            models: the only names that are known; all names when empty.
            port: where to listen on 127.0.0.1; 0 takes a free one.
        """
        super().__init__(script, port=port)
        self._api_key = api_key
        self._models = frozenset(models)

    def turns_away(self, request: web.Request) -> Raw | None:
        if request.method != "POST" or request.path != "/v1/messages":
            return self.fails(404, "Not found")
        key = request.headers.get("x-api-key") or request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not key or (self._api_key is not None and key != self._api_key):
            return self.fails(401, "invalid x-api-key" if key else "x-api-key header is required")
        if not request.headers.get("anthropic-version"):
            return self.fails(400, "anthropic-version: header is required")
        if request.content_type != "application/json":
            return self.fails(400, "content-type must be application/json")
        return None

    def objects_to(self, request: web.Request, body: Json) -> Raw | None:
        betas = frozenset(one.strip() for one in request.headers.get("anthropic-beta", "").split(","))
        try:
            check(body, betas=betas)
        except Refused as refused:
            return self.fails(400, str(refused))
        if self._models and body.get("model") not in self._models:
            return self.fails(404, f"model: {body.get('model')}")
        return None

    def fails(self, status: int, message: str) -> Raw:
        return anthropic_answers.fails(status, message)

    def says(self, seen: SeenRequest, text: str) -> Json:  # noqa: ARG002 - of one API only
        return anthropic_answers.says(text)

    def events_of(self, seen: SeenRequest, body: Json) -> Iterable[bytes]:  # noqa: ARG002 - as above
        return map(event_bytes, events_of(body))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the stand-in in its own process."""
    run("anthropic", ABOUT, AnthropicServer, arguments)


if __name__ == "__main__":
    main()
