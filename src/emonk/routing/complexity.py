"""How hard a task is, and who can tell."""

from enum import StrEnum
from typing import Protocol


class TaskComplexity(StrEnum):
    """How hard a task is."""

    SIMPLE = "simple"
    MODERATE = "moderate"
    COMPLEX = "complex"


class Scorer(Protocol):
    """Tells from its words how much a task needs the lead; a trained `Classifier` does."""

    def score(self, text: str, /) -> float:
        """The higher, the more it needs the lead."""
        ...
