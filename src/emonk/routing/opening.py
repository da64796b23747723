"""The classifier that a configuration names, read from its file."""

import importlib
from pathlib import Path
from typing import cast

import msgspec

from emonk.errors import InvalidConfig
from emonk.events import TaskHints
from emonk.routing.assessment import USUAL
from emonk.routing.complexity import Scorer
from emonk.routing.section import RoutingSection

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


class Routing(msgspec.Struct, frozen=True):
    """What a started agent routes by."""

    section: RoutingSection = USUAL
    classifier: Scorer | None = None
    nothing: TaskHints = TaskHints()


def open_routing(section: RoutingSection) -> Routing:
    """What a section says, with the classifier read.

    Raises:
        InvalidConfig: its file is not there, or is none.
    """
    return Routing(section, None if section.classifier is None else open_classifier(section.classifier))
