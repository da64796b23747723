"""The address of a PostgreSQL database, and how to speak of it without its password."""

import re
from urllib.parse import unquote, urlsplit

from emonk.errors import InvalidConfig

_HINT = "write postgresql://user@host:5432/database; the password may come from PGPASSWORD or ~/.pgpass"
_SECRET_OPTION = re.compile(r"(?i)(\w*password\w*=)([^&#\s]*)")
_USER_INFO = re.compile(r"//[^/?#\s]*@")


def without_secrets(url: str) -> str:
    """Any URL, its user and password and whatever option holds a password left out."""
    return _SECRET_OPTION.sub(r"\1...", _USER_INFO.sub("//...@", url))


class Address:
    """Where a database is.

    Attributes:
        url: as it was given, with its password.
        place: for messages: hosts and database, no password.
    """

    def __init__(self, url: str) -> None:
        """Take a `postgresql:` URL apart.

        Raises:
            InvalidConfig: it names no database that could be looked for.
        """
        if "\0" in url:
            raise InvalidConfig("The store URL has a character that no URL can have", hint=_HINT)
        try:
            parts = urlsplit(url)
        except ValueError:
            raise InvalidConfig(f"Store URL {without_secrets(url)!r} cannot be read", hint=_HINT) from None
        user_info, _, hosts = parts.netloc.rpartition("@")
        database = unquote(parts.path.removeprefix("/"))
        if parts.fragment or "@" in database:  # a password with # or / in it ends the part where it stands
            raise InvalidConfig(
                "The store URL of PostgreSQL has a #, / or @ where none can be",
                hint="write such characters of a password as %23, %2F and %40",
            )
        self.url = url
        self.place = f"PostgreSQL at {unquote(hosts) or _option(parts.query, 'host') or 'its usual place'}"
        if database:
            self.place += f", database {database}"
        password = user_info.partition(":")[2]
        options = [found[1] for found in _SECRET_OPTION.findall(parts.query)]
        found = {text for secret in (password, *options) for text in (secret, unquote(secret)) if text}
        self._secrets = sorted(found, key=len, reverse=True)

    def hide(self, text: str) -> str:
        """A text of somebody else's on one line, without the password."""
        line = " ".join(text.split())
        for secret in self._secrets:
            line = line.replace(secret, "...")
        return line


def _option(query: str, name: str) -> str:
    found = re.search(rf"(?:^|&){name}=([^&]*)", query)
    return unquote(found[1]) if found else ""
