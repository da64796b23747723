"""The address of a Firestore database, and where in it a store lies."""

import os
import re

from emonk.errors import InvalidConfig

DEFAULT_DATABASE = "(default)"
DEFAULT_PREFIX = "default"
EMULATOR = "FIRESTORE_EMULATOR_HOST"
_HINT = "write firestore://PROJECT, firestore://PROJECT/DATABASE or firestore://PROJECT/DATABASE/PREFIX"
# https://cloud.google.com/firestore/docs/manage-databases#database_id and project ids, the older ones of a domain too
_PROJECT = re.compile(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{0,62}")
_DATABASE = re.compile(r"\(default\)|[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Address:
    """Where a store is.

    Attributes:
        root: the document that all of its collections lie under; it tells stores of one database apart.
        emulator: `host:port` of an emulator, None for the real service.
        place: for messages.
    """

    def __init__(self, url: str) -> None:
        """Take a `firestore:` URL apart.

        Raises:
            InvalidConfig: it names no database that could be looked for.
        """
        project, database, prefix, *more = [*url.removeprefix("firestore://").split("/"), "", ""][
            : max(3, url.count("/") - 1)
        ]
        database, prefix = database or DEFAULT_DATABASE, prefix or DEFAULT_PREFIX
        for pattern, text, what in (
            (_PROJECT, project, "project"),
            (_DATABASE, database, "database"),
            (_PREFIX, prefix, "prefix"),
        ):
            if not pattern.fullmatch(text):
                raise InvalidConfig(f"Store URL {url!r} names no {what} that Firestore could have", hint=_HINT)
        if any(more):
            raise InvalidConfig(f"Store URL {url!r} says more than Firestore can be asked for", hint=_HINT)
        self.project, self.database = project, database
        self.root = f"emonk/{prefix}"
        self.emulator = os.environ.get(EMULATOR) or None
        self.place = f"Firestore of project {project}, database {database}"
        if self.emulator:
            self.place += f", emulated at {self.emulator}"
