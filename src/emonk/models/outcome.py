"""What an answer means for the runtime, whichever provider gave it."""

from emonk.messages import AssistantMessage, Blob, Text, ToolCall
from emonk.models.protocol import Outcome


def outcome_of(message: AssistantMessage, word: Outcome | None, *, lost: bool = False) -> Outcome:
    """What an answer comes to.

    A policy's answer stays one whatever came with it. Otherwise calls are to be answered, also those that the provider
    thinks unexpected: the dispatcher tells the model which tools there are.

    Args:
        message: what was said.
        word: what the finish reason means, where it says more than the content does.
        lost: some part could not be read; it matters when nothing else is left.
    """
    usable = False
    for part in message.parts:
        if isinstance(part, ToolCall):
            if word is not Outcome.BLOCKED:
                return Outcome.TOOL_CALLS
        elif isinstance(part, Blob) or (isinstance(part, Text) and not part.text.isspace() and part.text):
            usable = True
    if word is not None:
        return word
    if usable:
        return Outcome.COMPLETE
    return Outcome.MALFORMED if lost else Outcome.EMPTY
