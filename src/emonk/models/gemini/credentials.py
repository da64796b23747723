"""Application default credentials, by google-auth: found once, refreshed for as long as they are needed.

https://cloud.google.com/docs/authentication/application-default-credentials
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from typing import Any, Protocol, cast

from emonk.errors import ConfigError, InfraError, InvalidConfig, MissingCredential, Unavailable

SCOPE = "https://www.googleapis.com/auth/cloud-platform"

PROBES = (1.0, 2.0)
"""Seconds that the metadata server is waited for, each time it is looked for; outside of Google Cloud nothing answers.

google-auth alone looks three times, 3 s each, with pauses between.
"""

_ISSUING = 10.0  # seconds for a token
_LOG_IN = "run `gcloud auth application-default login`, or name a key file in GOOGLE_APPLICATION_CREDENTIALS"


class Credentials(Protocol):
    """What is used of google-auth's."""

    token: str | None
    expiry: Any

    def refresh(self, request: Any) -> None: ...


class Found(Protocol):
    """Credentials that were found, whichever kind they are."""

    @property
    def project(self) -> str:
        """The project that they belong to, if they say one."""
        ...

    def refresh(self) -> tuple[str, float | None]:
        """A new token and until when it is valid, in seconds since 1970; blocks."""
        ...


class DefaultCredentials:
    """Those of the environment.

    Attributes:
        project: the project that they belong to, if they say one.
    """

    def __init__(self, credentials: Credentials, project: str, request: Callable[..., Any]) -> None:
        self.project = project
        self._credentials = credentials
        self._request = request

    @classmethod
    def find(cls, *, probes: Sequence[float] = PROBES) -> "DefaultCredentials":
        """Look for them; blocks, for as long as `probes` says where there is no metadata server.

        Raises:
            InvalidConfig: google-auth is not installed.
            MissingCredential: there are none, or their file cannot be read.
        """
        auth, request = _google_auth()
        try:
            credentials, project = auth.default(scopes=[SCOPE], request=_Looking(request, probes, auth.exceptions))
        except (auth.exceptions.GoogleAuthError, ValueError, TypeError, AttributeError, LookupError, OSError) as error:
            raise MissingCredential(f"no credentials for Vertex AI: {_said(error)}", hint=_LOG_IN) from None
        return cls(credentials, project or "", _Once(request, auth.exceptions.TransportError))

    def refresh(self) -> tuple[str, float | None]:
        """A new token and until when it is valid, in seconds since 1970; blocks.

        Raises:
            InfraError: who issues tokens cannot be reached or cannot serve.
            MissingCredential: the credentials are refused.
        """
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - there, since they were found

        try:
            self._credentials.refresh(self._request)
        except (GoogleAuthError, ValueError, TypeError, LookupError, OSError) as error:
            raise _failure(error) from None
        token, expiry = self._credentials.token or "", self._credentials.expiry
        if not token or not (token.isascii() and token.isprintable()):
            raise MissingCredential("the credentials gave no token", hint=_LOG_IN)
        return token, None if expiry is None else expiry.replace(tzinfo=UTC).timestamp()


class NoCredentials:
    """What stands in for credentials while answers come from a cassette."""

    project = "recorded"

    def refresh(self) -> tuple[str, float | None]:
        """There is none.

        Raises:
            MissingCredential: always.
        """
        raise MissingCredential("no credentials are used with a cassette")


class _Once:
    """A request of google-auth that has an end and is not made again: the guard of the call is what retries."""

    def __init__(self, request: Callable[..., Any], fault: type[Exception]) -> None:
        self._request = request
        self._fault = fault

    def __call__(self, url: str, **more: Any) -> Any:
        response = self._request(url=url, **{"timeout": _ISSUING, **more})
        if response.status >= 500 or response.status == 429:
            raise self._fault(f"it answers {response.status}")
        return response


class _Looking:
    """A request while credentials are looked for: the metadata server is given up early, not asked again and again."""

    def __init__(self, request: Callable[..., Any], probes: Sequence[float], exceptions: Any) -> None:
        self._request = request
        self._probes = probes
        self._exceptions = exceptions

    def __call__(self, url: str, **more: Any) -> Any:
        if "/computeMetadata/" in url or more.get("method") != "GET":
            return self._request(url=url, **{"timeout": _ISSUING, **more})
        for seconds in self._probes:
            try:
                return self._request(url=url, **{**more, "timeout": seconds})
            except self._exceptions.TransportError:
                continue
        raise self._exceptions.DefaultCredentialsError(
            "there is no key file, no login of gcloud and no metadata server"
        )


def _google_auth() -> tuple[Any, Callable[..., Any]]:
    try:
        import google.auth  # noqa: PLC0415 - 0.2 s that only Vertex AI should pay
        import google.auth.exceptions  # noqa: PLC0415 - as above  # pyright: ignore[reportUnusedImport]
        import google.auth.transport.requests as transport  # noqa: PLC0415 - as above
    except ImportError as error:
        missing = error.name or "google.auth"
        raise InvalidConfig(
            f"Vertex AI needs {missing}, which is not installed", hint="pip install 'emonk[gcp]'"
        ) from None
    return cast("Any", google.auth), cast("Callable[..., Any]", transport.Request())


def _failure(error: Exception) -> InfraError | ConfigError:
    from google.auth import exceptions  # noqa: PLC0415 - there, since it raised

    said = _said(error)
    if isinstance(error, exceptions.TransportError):
        return Unavailable(f"no token for Vertex AI: its issuer cannot serve: {said}", code="unreachable")
    if getattr(error, "retryable", False):
        return Unavailable(f"no token for Vertex AI: {said}")
    return MissingCredential(f"no token for Vertex AI: {said}", hint=_LOG_IN)


def _said(error: Exception) -> str:
    """What an error of google-auth says, on one line; of a refusal the description of RFC 6749, 5.2."""
    answer: Any = error.args[1] if len(error.args) > 1 else None
    if isinstance(answer, Mapping):
        answer = cast("Mapping[str, Any]", answer)
        name, more = answer.get("error"), answer.get("error_description")
        if isinstance(name, str):
            return f"{name}: {more}"[:300] if isinstance(more, str) else name[:300]
    text = str(error.args[0] if error.args else error)
    return " ".join(text.split())[:300] or type(error).__name__
