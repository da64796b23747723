"""What the errors of PostgreSQL and of the way to it mean."""

from emonk.errors import EmonkError, InvalidConfig, MissingCredential, Unavailable
from emonk.store.postgres.address import Address

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_LOST_CLASSES = ("08", "57P")
_CROWDED = "53300"
_LOST_CODES = {"25P03", _CROWDED}  # a transaction was idle for too long
# Serialization failure, deadlock, a statement prepared for an earlier schema: rolled back as a whole.
_AGAIN = {"40001", "40P01", "0A000"}
_LOCKED = "55P03"
_READ_ONLY = "25006"
_CREDENTIAL = "28"
_NO_DATABASE = "3D000"
_FORBIDDEN = {"42501"}
_CHANGED = {"42P01", "42703", "42883", "3F000"}  # a table, column, function or schema that is not there
_FULL = {"53100"}


def sqlstate(error: BaseException) -> str:
    """The server's code for what happened, empty when it was not the server."""
    code: object = getattr(error, "sqlstate", None)
    return code if isinstance(code, str) else ""


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone or may be, so that what was under way may have been done or not."""
    code = sqlstate(error)
    if code:
        return code.startswith(_LOST_CLASSES) or code in _LOST_CODES
    return isinstance(error, OSError | TimeoutError) or _is_of_asyncpg(error)


def is_crowded(error: BaseException) -> bool:
    """Whether the server has no place for one more connection."""
    return sqlstate(error) == _CROWDED


def was_undone(error: BaseException) -> bool:
    """Whether the server has rolled everything back and asks to try again."""
    return sqlstate(error) in _AGAIN


def explain(error: BaseException, address: Address) -> EmonkError:
    """The error in emonk's words: a human must act, or the database cannot serve at the moment."""
    code, place = sqlstate(error), address.place
    text = address.hide(str(error)) or type(error).__name__
    if code.startswith(_CREDENTIAL):
        return MissingCredential(
            f"{place} refused the login: {text}", hint="check user and password of the store's URL, or PGPASSWORD"
        )
    if code == _NO_DATABASE:
        return InvalidConfig(f"{place} has no such database: {text}", hint="create it, or name another one")
    if code in _FORBIDDEN:
        return InvalidConfig(f"{place} does not allow it: {text}", hint="grant the user what it says")
    if code in _CHANGED:
        return InvalidConfig(f"{place} was changed by somebody else: {text}", hint="restore it, or restart emonk")
    if code == _READ_ONLY:
        return Unavailable(f"{place} can only be read: {text}", hint="is it a standby server?", code="read_only")
    if code == _LOCKED:
        return Unavailable(f"{place} is locked: {text}", hint="is another program working on its tables?")
    if code in _FULL:
        return Unavailable(f"{place} cannot grow: {text}", hint="free space on its disk", code="disk_full")
    if not code and isinstance(error, ValueError):
        return InvalidConfig(f"{place} cannot be looked for: {text}", hint="check the store's URL")
    return Unavailable(f"{place} cannot serve: {text}")


def _is_of_asyncpg(error: BaseException) -> bool:
    """Those that it raises for a connection that was closed, and not for a value that it cannot send."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return not isinstance(error, ValueError) and not names.isdisjoint({"InterfaceError", "InternalClientError"})
