"""A local stand-in for OpenAI's chat completions and responses API that speaks real HTTP on loopback.

`python -m emonk.testing.openai --help` tells how to run one in its own process, to try an outage by hand.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aiohttp import web

from emonk.models.fields import as_object
from emonk.testing import openai_answers
from emonk.testing.answers import Answer, Json, Raw, SeenRequest
from emonk.testing.openai_answers import item, message, response
from emonk.testing.openai_responses_rules import check as check_response
from emonk.testing.openai_rules import check as check_completion
from emonk.testing.openai_schemas import Refused
from emonk.testing.openai_streams import completion_events, response_events
from emonk.testing.outage import run
from emonk.testing.stand_in import StandIn

ABOUT = """\
A stand-in for the OpenAI API, chat completions and responses, on 127.0.0.1, to try things by hand: set OPENAI_BASE_URL
to the url that it prints.
"""


class OpenAIServer(StandIn):
    """Answers `/chat/completions` and `/responses` from a script.

    Requests with another key, or against OpenAI's documented rules, get its 401 or 400.
    """

    root = "/v1"
    no_json = "We could not parse the JSON body of your request."

    def __init__(
        self, script: Iterable[Answer] | Callable[[SeenRequest], Any], *, api_key: str | None = None, port: int = 0
    ) -> None:
        """Answer from a list, or always by one function of the request.

        Args:
            script: the answers; when a list is used up, every further request gets a 500 that says so.
            api_key: the only key that is accepted; any, and none, when None.
            port: where to listen on 127.0.0.1; 0 takes a free one.
        """
        super().__init__(script, port=port)
        self._api_key = api_key

    def turns_away(self, request: web.Request) -> Raw | None:
        if request.method != "POST" or not request.path.endswith(("/chat/completions", "/responses")):
            return self.fails(404, f"Invalid URL ({request.method} {request.path})")
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._api_key is None or given == self._api_key:
            return None
        if not given:
            return self.fails(401, "You didn't provide an API key. You need to provide it in an Authorization header.")
        said = f"Incorrect API key provided: {given}. You can find your API key at https://platform.openai.com."
        return openai_answers.fails(401, said, code="invalid_api_key")

    def objects_to(self, request: web.Request, body: Json) -> Raw | None:
        try:
            (check_response if _responses(request.path) else check_completion)(body)
        except Refused as refused:
            return openai_answers.fails(400, str(refused), param=refused.param, code=refused.code)
        return None

    def fails(self, status: int, message: str) -> Raw:
        return openai_answers.fails(status, message)

    def says(self, seen: SeenRequest, text: str) -> Json:
        return response(item(text)) if _responses(seen.path) else message(text)

    def events_of(self, seen: SeenRequest, body: Json) -> Iterable[bytes]:
        if _responses(seen.path):
            return response_events(body)
        usage = as_object(seen.body.get("stream_options")).get("include_usage") is True
        return completion_events(body, usage=usage)


def _responses(path: str) -> bool:
    return path.endswith("/responses")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the stand-in in its own process."""
    run("openai", ABOUT, OpenAIServer, arguments)


if __name__ == "__main__":
    main()
