"""Vertex AI: the same wire format, elsewhere, with a token of Google Cloud."""

import os
import re
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from urllib.parse import quote

import msgspec

from emonk.clock import SYSTEM_CLOCK, Clock
from emonk.errors import ConfigError, InfraError, InvalidConfig, MissingCredential
from emonk.models.cassette.current import replaying
from emonk.models.gemini.calls import GenerateContent
from emonk.models.gemini.credentials import DefaultCredentials, Found, NoCredentials
from emonk.models.gemini.errors import read_failure
from emonk.models.gemini.token import TokenSource
from emonk.models.http import HttpClient
from emonk.models.names import names_hint
from emonk.models.protocol import ModelDelta, ModelRequest, ModelResponse

_PLACE = re.compile(
    r"(?:projects/(?P<project>[^/]+)/)?(?:locations/(?P<location>[^/]+)/)?(?:publishers/google/)?(?:models/)?(?P<name>[^/]+)"
)
_LABEL = re.compile(r"[a-z0-9][a-z0-9.:-]{0,62}")  # of projects and locations; old projects are named domain:name


class Place(msgspec.Struct, frozen=True):
    """Where a model is asked. Empty where nobody says."""

    name: str
    project: str = ""
    location: str = ""


def read_place(name: str) -> Place:
    """A model's name, or Google's full name of it, `projects/P/locations/L/publishers/google/models/NAME`, or parts.

    Raises:
        InvalidConfig: it is neither.
    """
    found = _PLACE.fullmatch(name)
    if found is None:
        hint = "write vertex:NAME, or vertex:projects/PROJECT/locations/LOCATION/publishers/google/models/NAME"
        raise InvalidConfig(f"{name!r} names no model of Vertex AI", hint=hint)
    return Place(found["name"], found["project"] or "", found["location"] or "")


class VertexModel:
    """A Gemini model on Vertex AI.

    Attributes:
        location: where it is asked: `global`, or a region.
    """

    def __init__(
        self,
        name: str,
        *,
        project: str,
        location: str = "global",
        credentials: Found,
        base_url: str | None = None,
        timeout: float = 300.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Talk to the model `name`.

        Args:
            name: as Google names it, without its project and location.
            project: the id of the project that is billed.
            location: `global`, or a region such as `europe-west4`.
            credentials: give the tokens.
            base_url: where the API is, if not at Google; `/v1` is added unless it ends in a version.
            timeout: seconds of silence after which a call is given up; the whole call has the caller's deadline.
            clock: says when a token has ended.

        Raises:
            InvalidConfig: the project, the location or `base_url` cannot be one.
        """
        _check("project", project, "set llm.project_id or GOOGLE_CLOUD_PROJECT")
        _check("location", location, "set llm.location or GOOGLE_CLOUD_LOCATION, for example global or europe-west4")
        self.location = location
        self.spec = f"vertex:{name}"
        base_url = base_url or address_of(location)
        http = HttpClient(
            base_url,
            headers={},
            secret="",
            silence=timeout,
            read_error=partial(_read_failure, model=name, project=project, location=location),
            bearer=TokenSource(credentials, clock=clock),
            provider="vertex",
        )
        version = "" if base_url.rstrip("/").rpartition("/")[2] in {"v1", "v1beta1"} else "/v1"
        path = f"{version}/projects/{quote(project)}/locations/{location}/publishers/google/models/{quote(name)}"
        self._calls = GenerateContent(name, http, path)

    @classmethod
    def from_environment(cls, name: str, *, base_url: str | None = None) -> "VertexModel":
        """The model with what its name does not say from the environment; looks for credentials, which may block 3 s.

        The project is that of the name, else of `GOOGLE_CLOUD_PROJECT`, else of the credentials; the location that of
        the name, else of `GOOGLE_CLOUD_LOCATION`, else `global`. `EMONK_VERTEX_BASE_URL` is an address instead of
        Google's.

        Raises:
            MissingCredential: there are no credentials.
            InvalidConfig: google-auth is not installed, there is no project, or something is not what it should be.
        """
        place = read_place(name)
        credentials = NoCredentials() if replaying() else DefaultCredentials.find()
        return cls(
            place.name,
            project=place.project or os.environ.get("GOOGLE_CLOUD_PROJECT") or credentials.project,
            location=place.location or os.environ.get("GOOGLE_CLOUD_LOCATION") or "global",
            credentials=credentials,
            base_url=base_url or os.environ.get("EMONK_VERTEX_BASE_URL"),
        )

    async def generate(self, request: ModelRequest) -> ModelResponse:
        """Ask for a whole answer; see `GenerateContent.generate`."""
        return await self._calls.generate(request)

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta | ModelResponse]:
        """Ask for an answer in pieces; see `GenerateContent.stream`."""
        return self._calls.stream(request)

    async def aclose(self) -> None:
        await self._calls.aclose()


def address_of(location: str) -> str:
    """Where Vertex AI answers for a location."""
    return (
        "https://aiplatform.googleapis.com" if location == "global" else f"https://{location}-aiplatform.googleapis.com"
    )


def _check(what: str, value: str, hint: str) -> None:
    if not value:
        raise InvalidConfig(f"Vertex AI needs a {what}", hint=hint)
    if not _LABEL.fullmatch(value):
        raise InvalidConfig(f"{value!r} is no {what} of Google Cloud", hint=hint)


def _read_failure(
    status: int, headers: Mapping[str, str], body: bytes, *, model: str, project: str, location: str
) -> InfraError | ConfigError:
    failure = read_failure(status, headers, body, model=model)
    match failure:
        case MissingCredential():
            failure.hint = f"check that the credentials may use Vertex AI in project {project} (roles/aiplatform.user)"
        case InvalidConfig() if status == 404:
            failure.hint = f"is it served in {location}? {names_hint('vertex', model)}"
        case _:
            pass
    return failure
