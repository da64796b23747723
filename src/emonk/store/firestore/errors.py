"""What the errors of Firestore, of its client and of the way to it mean."""

from emonk.errors import DeadlineExceeded, EmonkError, InvalidConfig, MissingCredential, RateLimited, Unavailable
from emonk.store.firestore.address import Address

# https://cloud.google.com/firestore/docs/understand-error-codes; the classes are those of google.api_core.exceptions.
_MOVED = {"FailedPrecondition", "AlreadyExists", "Aborted", "NotFound"}
_LOST = {
    "ServiceUnavailable", "DeadlineExceeded", "InternalServerError", "Unknown", "Cancelled", "RetryError",
    "GatewayTimeout", "BadGateway", "DataLoss",
}  # fmt: skip
_TOO_LARGE = ("exceeds maximum size", "is longer than", "too large", "exceeds the maximum", "larger than")


class Moved(Exception):
    """A document is not, or not any more, as it was read: nothing was written."""


def names(error: BaseException) -> set[str]:
    """The names of an error's classes; the libraries that define them are imported only where a store is open."""
    return {kind.__name__ for kind in type(error).__mro__}


def has_moved(error: BaseException) -> bool:
    """Whether a write was refused because of what it was based on."""
    return not names(error).isdisjoint(_MOVED)


def is_lost(error: BaseException) -> bool:
    """Whether what was asked may have been done or not, and may be asked again."""
    if "ResourceExhausted" in names(error):
        return not _is_too_large(error)
    return not names(error).isdisjoint(_LOST) or isinstance(error, OSError | TimeoutError) or _is_transport(error)


def explain(error: BaseException, address: Address) -> EmonkError:
    """The error in emonk's words: a human must act, or the database cannot serve at the moment."""
    kinds, place = names(error), address.place
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, Moved):
        return Unavailable(f"{place}: others wrote at the same time, again and again: {text}", code="contended")
    if "Unauthenticated" in kinds or ("GoogleAuthError" in kinds and not _is_transport(error)):
        return MissingCredential(
            f"{place} got no credentials that count: {text}",
            hint="run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS",
        )
    if "PermissionDenied" in kinds or "Forbidden" in kinds:
        return InvalidConfig(f"{place} does not allow it: {text}", hint="grant the role roles/datastore.user")
    if "NotFound" in kinds:
        return InvalidConfig(
            f"{place} is not there: {text}", hint="create it: gcloud firestore databases create --database=NAME"
        )
    if "ResourceExhausted" in kinds and not _is_too_large(error):
        return RateLimited(f"{place} asks to slow down, or its quota is used up: {text}")
    if _is_too_large(error):
        return InvalidConfig(f"{place} cannot keep what is that large: {text}", code="too_large")
    if "FailedPrecondition" in kinds and "index" in text:
        return InvalidConfig(
            f"{place} lacks an index: {text}",
            hint="create those of emonk/store/firestore/firestore.indexes.json, see docs/configuration.md",
        )
    if not kinds.isdisjoint({"FailedPrecondition", "InvalidArgument", "MethodNotImplemented"}):
        return InvalidConfig(f"{place} refuses it: {text}", hint="is the database of Firestore in native mode?")
    if "DeadlineExceeded" in kinds:
        return DeadlineExceeded(f"{place} did not answer in time: {text}")
    return Unavailable(f"{place} cannot serve: {text}")


def _is_too_large(error: BaseException) -> bool:
    text = str(error)
    return any(words in text for words in _TOO_LARGE)


def _is_transport(error: BaseException) -> bool:
    return "TransportError" in names(error)
