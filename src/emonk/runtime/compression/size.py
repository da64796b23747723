"""How large the next request will be, in tokens: what the last one was reported to be, and what came since."""

from collections.abc import Sequence

from emonk.messages import AssistantMessage, Message, UserMessage
from emonk.models.tokens import Family, bounds, keeps_thoughts, tokens_of_answer, tokens_of_message
from emonk.records import Usage

_IMPLAUSIBLE = 12
"""Characters per token that no text has: servers that report less than that report nothing."""

_SCALES = (0.5, 2.0)
"""How far an estimate is corrected, at least and at most."""


class ContextSize:
    """The size of a growing conversation. Each message is counted at most once, and only where that makes a difference.

    Attributes:
        scale: what estimates of the whole are multiplied by, learned from what was reported.
    """

    def __init__(self, spec: str, family: Family, fixed: int, *, scale: float = 1.0) -> None:
        """Begin with nothing but `fixed`: the tokens of instructions and tools."""
        self._family = family
        self._fixed = fixed
        self._keeps_thoughts = keeps_thoughts(spec)
        self._total = float(fixed) * scale
        self._least = 0.0
        self._thoughts = 0
        self._seen = 0
        self._uncounted: list[tuple[Message, Usage | None]] = []
        self._most = 0.0  # that they can take
        self._usage = Usage()
        self.scale = scale

    def of(self, messages: Sequence[Message]) -> int:
        """The tokens of a request with these messages, which begin with those that were seen before."""
        self._see(messages)
        for message, usage in self._uncounted:
            if usage is not None and isinstance(message, AssistantMessage):
                self._total += tokens_of_answer(message, usage, self._family)
            else:
                self._total += tokens_of_message(message, self._family) * self.scale
        self._count_none()
        return round(self._total)

    def surely_below(self, messages: Sequence[Message], limit: int) -> bool:
        """Whether there are so few characters that nothing has to be counted."""
        self._see(messages)
        return self._total + self._most * max(1.0, self.scale) <= limit

    def reported(self, messages: Sequence[Message], usage: Usage) -> None:
        """A request with these messages took that much."""
        self._see(messages)
        self._usage = usage
        if usage.input_tokens > self._least:
            self._total = float(usage.input_tokens)
            self._count_none()

    def answered(self, answer: AssistantMessage) -> None:
        """The answer to what was reported last; it is the next message."""
        if answer.parts:
            self._add(answer, self._usage)
            if self._keeps_thoughts:
                self._thoughts += self._usage.reasoning_tokens
                self._total += self._usage.reasoning_tokens

    def resume(self, messages: Sequence[Message], at: int, usage: Usage, thoughts: int) -> None:
        """As `reported` for the answer `messages[at]`, of which the log tells; nothing before it is counted.

        Args:
            messages: the conversation.
            at: the place of the answer.
            usage: what it was reported to take.
            thoughts: tokens that the turn had been thinking before it.
        """
        answer = messages[at]
        least = sum([bounds(message, self._family)[0] for message in messages[:at]]) / _IMPLAUSIBLE
        if usage.input_tokens <= least or not isinstance(answer, AssistantMessage):
            return
        self._seen, self._least, self._total = at, least, float(usage.input_tokens)
        self._thoughts = thoughts if self._keeps_thoughts else 0
        self.reported(messages[:at], usage)
        self.answered(answer)

    def whole(self, messages: Sequence[Message]) -> int:
        """The estimate of a whole conversation, as if nothing of it had been reported."""
        counted = self._fixed + sum(tokens_of_message(message, self._family) for message in messages)
        return round(counted * self.scale)

    def learn(self, messages: Sequence[Message]) -> None:
        """Correct estimates of whole conversations by what is known of this one."""
        known, self.scale = self.of(messages), 1.0
        low, high = _SCALES
        self.scale = round(min(high, max(low, known / max(1, self.whole(messages)))), 4)

    def _count_none(self) -> None:
        """What was uncounted is part of the total now."""
        self._uncounted.clear()
        self._most = 0.0

    def _see(self, messages: Sequence[Message]) -> None:
        if len(messages) > self._seen:
            for message in messages[self._seen :]:
                self._add(message, None)

    def _add(self, message: Message, usage: Usage | None) -> None:
        """One more message; one that answers a request that took `usage`."""
        if self._thoughts and isinstance(message, UserMessage):
            self._total -= self._thoughts
            self._thoughts = 0
        characters, most = bounds(message, self._family)
        if usage is not None and (said := usage.output_tokens - usage.reasoning_tokens) > 0:
            most = said + self._family.message + 1  # what it was reported to be is what it counts as, or more than that
        self._uncounted.append((message, usage))
        self._most += most
        self._least += characters / _IMPLAUSIBLE
        self._seen += 1
