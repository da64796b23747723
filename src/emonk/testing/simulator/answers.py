"""What the simulated model says: the same to the same request, so that a retry is answered like the first try."""

from collections.abc import Sequence
from random import Random

from emonk.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage, assistant
from emonk.models.protocol import ModelRequest, ModelResponse, Outcome, ToolLike
from emonk.records import Usage
from emonk.testing.simulator.arguments import fitting, misfitting
from emonk.testing.simulator.faults import ModelFault

_CALLING = (0.7, 0.5, 0.4, 0.3, 0.2)
"""How likely the model calls tools after so many steps of a turn."""

_TIRELESS = 0.02
"""Turns in which it never stops calling."""

_STUBBORN = 0.5
"""How likely it repeats calls that failed, word for word, whatever it was told."""

NO_SUCH_TOOL = "no_such_tool"


def answer(request: ModelRequest, fault: ModelFault | None, model: str, turn: str, random: Random) -> ModelResponse:
    """The answer to a request of the turn `turn`; of the faults, those that are answers."""
    made, outcome, finish_reason = _made(request, fault, turn, random)
    tokens = 40 * len(request.messages) + 20
    return ModelResponse(
        message=made,
        outcome=outcome,
        finish_reason=finish_reason,
        usage=Usage(input_tokens=tokens, output_tokens=20),
        model=model,
    )


def _made(
    request: ModelRequest, fault: ModelFault | None, turn: str, random: Random
) -> tuple[AssistantMessage, Outcome, str]:
    match fault:
        case ModelFault.MALFORMED:
            return assistant(), Outcome.MALFORMED, "MALFORMED_FUNCTION_CALL"
        case ModelFault.EMPTY:
            return assistant(), Outcome.EMPTY, "STOP"
        case ModelFault.BLOCKED:
            return assistant(random.choice(("", "I was going to"))), Outcome.BLOCKED, "SAFETY"
        case ModelFault.TRUNCATED:
            return assistant(random.choice(("", "A long answer that"))), Outcome.TRUNCATED, "MAX_TOKENS"
        case ModelFault.UNKNOWN_TOOL | ModelFault.BAD_ARGUMENTS | ModelFault.NO_JSON | ModelFault.SAME_IDS:
            calls = _odd_calls(request, fault, turn, random)
        case _:
            calls = _repeated(request, turn, random)
            if not calls and _calls_again(request, turn, random):
                calls = _calls(request, turn, random)
    if calls:
        said = "Let me look." if random.random() < 0.3 else ""
        return assistant(said, tool_calls=calls), Outcome.TOOL_CALLS, "STOP"
    return assistant(f"Here is the answer to {turn}."), Outcome.COMPLETE, "STOP"


def steps_of(messages: Sequence[Message]) -> int:
    """How many steps the turn has behind it."""
    steps = 0
    for message in reversed(messages):
        if isinstance(message, UserMessage) and not message.text.startswith("["):
            break
        steps += isinstance(message, ToolMessage)
    return steps


def _calls_again(request: ModelRequest, turn: str, random: Random) -> bool:
    if not request.tools or request.tool_choice == "none":
        return False
    if Random(turn).random() < _TIRELESS:  # noqa: S311 - it is to be repeatable
        return True
    steps = steps_of(request.messages)
    return steps < len(_CALLING) and random.random() < _CALLING[steps]


def _calls(request: ModelRequest, turn: str, random: Random) -> list[ToolCall]:
    count = random.choice((1, 1, 1, 2, 3))
    return [_call(request, turn, number, random) for number in range(1, count + 1)]


def _repeated(request: ModelRequest, turn: str, random: Random) -> list[ToolCall]:
    """The calls of the last step that were answered by an error, now and then."""
    match request.messages:
        case [*_, AssistantMessage() as said, ToolMessage(results=results)] if request.tool_choice != "none":
            failed = {one.call_id for one in results if one.error}
            again = [call for call in said.tool_calls if call.id in failed and call.malformed is None]
        case _:
            return []
    if random.random() >= _STUBBORN:
        return []
    return [ToolCall(_id(request, turn, number), one.name, one.arguments) for number, one in enumerate(again, 1)]


def _call(request: ModelRequest, turn: str, number: int, random: Random, *, fits: bool = True) -> ToolCall:
    tool: ToolLike = random.choice(list(request.tools))
    arguments = fitting(tool.parameters, random) if fits else misfitting(tool.parameters, random)
    return ToolCall(_id(request, turn, number), tool.name, arguments)


def _odd_calls(request: ModelRequest, fault: ModelFault, turn: str, random: Random) -> list[ToolCall]:
    if fault is ModelFault.UNKNOWN_TOOL or not request.tools:
        more = _calls(request, turn, random) if request.tools else []
        return [*more, ToolCall(_id(request, turn, 9), NO_SUCH_TOOL, {"it": 1})]
    if fault is ModelFault.BAD_ARGUMENTS:
        return [_call(request, turn, 1, random, fits=False)]
    first = _call(request, turn, 1, random)
    if fault is ModelFault.NO_JSON:
        return [ToolCall(first.id, first.name, {}, malformed='{"half": "an obj')]
    second = _call(request, turn, 2, random)
    return [first, ToolCall(first.id, second.name, second.arguments)]


def _id(request: ModelRequest, turn: str, number: int) -> str:
    return f"{turn}-{len(request.messages)}-{number}"
