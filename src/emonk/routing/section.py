"""The `routing` section of agent.yaml."""

from pathlib import Path
from typing import cast

import msgspec

from emonk.errors import InvalidConfig
from emonk.resilience.bounds import above_zero, number, whole

OVER_MODERATE = 10_000
OVER_COMPLEX = 20_000
WORKER_SECONDS = 10.0
QUIET_STEPS = 3


class RoutingSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an agent with a worker draws the lines between worker and lead.

    Attributes:
        classifier: a file that `emonk router train` wrote; it is asked where no rule says how hard a task is.
        threshold: the score from which on a task is complex; None leaves it to the classifier.
        worker_seconds: how long the worker may take for an answer to a moderate task before the lead is asked.
        quiet_steps: good steps of the lead after which the worker, which had failed, works again.
        moderate_tokens: a longer context makes a task moderate.
        complex_tokens: a longer context makes it complex.

    Raises:
        InvalidConfig: a value that makes no sense.
    """

    classifier: str | None = None
    threshold: float | None = None
    worker_seconds: float = WORKER_SECONDS
    quiet_steps: int = QUIET_STEPS
    moderate_tokens: int = OVER_MODERATE
    complex_tokens: int = OVER_COMPLEX

    def __post_init__(self) -> None:
        above_zero("routing.worker_seconds", self.worker_seconds)
        whole("routing.quiet_steps", self.quiet_steps, least=1)
        whole("routing.moderate_tokens", self.moderate_tokens)
        whole("routing.complex_tokens", self.complex_tokens)
        if self.complex_tokens < self.moderate_tokens:
            said = f"routing.complex_tokens is {self.complex_tokens}, below moderate_tokens, {self.moderate_tokens}"
            raise InvalidConfig(said, hint="what is complex is longer than what is moderate")
        if self.threshold is not None:
            given = cast("object", self.threshold)  # a program's is not checked by its type
            number("routing.threshold", abs(given) if isinstance(given, int | float) else given)

    def below(self, folder: Path) -> "RoutingSection":
        """The same with the classifier's file relative to a folder."""
        if self.classifier is None:
            return self
        return msgspec.structs.replace(self, classifier=str(folder / Path(self.classifier).expanduser()))
