"""The `context` section of agent.yaml."""

import msgspec

from emonk.resilience.bounds import whole

BUDGET = 50_000
KEPT = 10
"""Messages at the end of a conversation that no summary takes the place of."""

WINDOW_SHARE = 0.8
"""Of the model's window that a request may fill."""


class ContextSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a conversation is summarised.

    Attributes:
        budget: tokens that a request takes at most before its oldest messages are summarised; never more than 80 % of
            the model's window where that is known.
        keep: messages that stay as they are, at least 10.

    Raises:
        InvalidConfig: a value that makes no sense.
    """

    budget: int = BUDGET
    keep: int = KEPT

    def __post_init__(self) -> None:
        whole("context.budget", self.budget, least=1000)
        whole("context.keep", self.keep, least=KEPT)

    def within(self, window: int | None) -> int:
        """The budget in tokens for a model with that window, None if it is not known."""
        return self.budget if window is None else min(self.budget, int(window * WINDOW_SHARE))
