"""The classifier that a configuration names, read from its file."""

import importlib
from pathlib import Path
from typing import cast

from emonk.errors import InvalidConfig
from emonk.routing.complexity import Scorer

_HINT = "a file that `emonk router train` wrote"


def open_classifier(path: str | Path) -> Scorer:
    """The trained classifier of a file.

    Raises:
        InvalidConfig: it is not there, or is none.
    """
    room = importlib.import_module("emonk.routing.classifier")  # only who has one pays for it
    try:
        return cast("Scorer", room.Classifier.load(path))
    except InvalidConfig as error:
        raise InvalidConfig(f"routing.classifier: {error.message}", hint=error.hint or _HINT) from error
    except OSError as error:
        raise InvalidConfig(f"routing.classifier {path}: {error.strerror or error}", hint=_HINT) from error


def scorer_of(given: object) -> Scorer | None:
    """A classifier that was given as one, as the path of its file, or not at all.

    Raises:
        InvalidConfig: it is none of these.
    """
    if given is None:
        return None
    if isinstance(given, str | Path):
        return open_classifier(given)
    if not callable(getattr(given, "score", None)):
        raise InvalidConfig(f"classifier is {given!r:.80}", hint="a trained Classifier, or the path of its file")
    return cast("Scorer", given)
