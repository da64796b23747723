"""What the client of Cloud Storage raises, in emonk's own errors."""

from contextlib import suppress
from typing import Any

from emonk.errors import EmonkError, InvalidConfig, MissingCredential, RateLimited, Unavailable
from emonk.memory.files import conflict

_NO_BUCKET = "bucket does not exist"
_LIMITS = ("rateLimitExceeded", "userRateLimitExceeded")
_CREDENTIALS = "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS"
_ROLE = "grant it the role Storage Object User (roles/storage.objectUser) on the bucket"


def is_absent(error: Exception) -> bool:
    """There is no such object; a missing bucket is another matter."""
    return _code(error) == 404 and _NO_BUCKET not in str(error)


def is_unchanged(error: Exception) -> bool:
    """The object is of the generation that was told."""
    return _code(error) == 304


def told(error: Exception, bucket: str, what: str) -> Exception:
    """The error of emonk's that says what happened; what nobody foresaw stays what it is.

    See https://cloud.google.com/storage/docs/json_api/v1/status-codes.
    """
    if isinstance(error, EmonkError):
        return error
    where = f"gs://{bucket}: {what}" if what else f"gs://{bucket}"
    code = _code(error)
    if code is not None:
        return _of_status(code, error, bucket, what, where)
    if error.__class__.__module__.startswith("google.auth"):
        return _of_credentials(error, where)
    if isinstance(error, OSError) or _is_corruption(error):  # requests' own errors are OSErrors
        return Unavailable(f"{where} cannot be reached: {_line(error)}")
    return error


def _of_status(code: int, error: Exception, bucket: str, what: str, where: str) -> Exception:
    match code:
        case 412:
            return conflict(what)
        case 401:
            return MissingCredential(f"{where}: the credentials are not accepted", hint=_CREDENTIALS)
        case 403 if any(reason in str(error) for reason in _LIMITS):
            return _limited(error, where)
        case 403:
            return MissingCredential(f"{where}: the account may not do this", hint=_ROLE)
        case 404:
            return InvalidConfig(f"the bucket {bucket} does not exist", hint="memory.bucket names one that does")
        case 429:
            return _limited(error, where)
        case _ if code == 408 or code >= 500:
            return Unavailable(f"{where}: Cloud Storage answered {code}", retry_after=_wait(error))
        case _:
            return InvalidConfig(f"{where}: Cloud Storage answered {code}: {_line(error)}")


def _of_credentials(error: Exception, where: str) -> EmonkError:
    # A server of credentials that cannot be reached may be there again in a moment; what it refused it will refuse.
    if error.__class__.__name__ == "TransportError" or getattr(error, "retryable", False):
        return Unavailable(f"{where}: the credentials cannot be fetched: {_line(error)}")
    return MissingCredential(f"{where}: there are no usable credentials: {_line(error)}", hint=_CREDENTIALS)


def _limited(error: Exception, where: str) -> RateLimited:
    return RateLimited(f"{where}: too many requests for now", retry_after=_wait(error))


def _wait(error: Any) -> float | None:
    response = getattr(error, "response", None)
    with suppress(AttributeError, KeyError, TypeError, ValueError):
        seconds = float(response.headers["Retry-After"])  # pyright: ignore[reportOptionalMemberAccess]
        return seconds if 0 <= seconds < 86_400 else None
    return None


def _code(error: Any) -> int | None:
    """The status of an error of google.api_core; None for any other."""
    code = getattr(error, "code", None)
    return int(code) if isinstance(code, int) and hasattr(error, "response") else None


def _is_corruption(error: Exception) -> bool:
    return error.__class__.__name__ == "DataCorruption"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
