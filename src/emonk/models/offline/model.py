"""The offline model behind the form of every model."""

from collections.abc import AsyncIterator, Sequence

from emonk.ids import uuid7
from emonk.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage, assistant
from emonk.models.offline.match import Catalogue, Plan
from emonk.models.offline.phrase import (
    UNCONFIGURED,
    Voice,
    ask_for,
    ask_once,
    ask_which,
    capabilities,
    refuse,
    results,
    unclear,
)
from emonk.models.protocol import ModelDelta, ModelRequest, ModelResponse, Outcome, TextDelta, ToolLike
from emonk.records import Usage

# How far back it looks for questions of its own.
_QUESTIONS = 6


class OfflineModel:
    """Matches a message to a tool by rules, and shows what the tool returns. It runs nothing and costs nothing.

    The same request gets the same plan; only the ids of its calls differ.
    """

    spec = "offline"

    def __init__(self, voice: Voice = UNCONFIGURED) -> None:
        self._voice = voice
        self._catalogue = Catalogue(())

    async def generate(self, request: ModelRequest) -> ModelResponse:
        message = self._answer(request)
        calls = bool(message.tool_calls)
        return ModelResponse(
            message=message,
            outcome=Outcome.TOOL_CALLS if calls else Outcome.COMPLETE,
            finish_reason="tool_calls" if calls else "stop",
            usage=Usage(),
            model=self.spec,
        )

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelDelta | ModelResponse]:
        """The text line by line, then the whole answer."""
        response = await self.generate(request)
        for line in response.text.splitlines(keepends=True):
            yield TextDelta(line)
        yield response

    async def aclose(self) -> None:
        """Nothing is open."""

    def _answer(self, request: ModelRequest) -> AssistantMessage:
        last = request.messages[-1] if request.messages else None
        match last:
            case ToolMessage():
                return assistant(results(last.results, self._voice))
            case UserMessage() if request.tools and request.tool_choice != "none":
                catalogue = self._prepared(request.tools)
                plans = _plans(catalogue, request.messages, self._voice)
                return _said_of(catalogue, plans, last.text, self._voice)
            case _:
                return assistant(capabilities(self._prepared(request.tools).offered, self._voice))

    def _prepared(self, tools: Sequence[ToolLike]) -> Catalogue:
        kept = self._catalogue.tools
        if len(kept) != len(tools) or any(one is not other for one, other in zip(kept, tools, strict=True)):
            self._catalogue = Catalogue(tools)
        return self._catalogue


def _said_of(catalogue: Catalogue, plans: Sequence[Plan], text: str, voice: Voice) -> AssistantMessage:
    refusals = [] if any(plan.ready for plan in plans) else catalogue.refusals(text, plans)
    match plans:
        case _ if refusals:
            return assistant(refuse(refusals, catalogue.offered, voice))
        case []:
            return assistant(capabilities(catalogue.offered, voice))
        case [Plan(ready=True) as plan]:
            return assistant(tool_calls=[ToolCall(f"offline_{uuid7()}", plan.tool.name, plan.arguments)])
        case [Plan(twice=[_, *_]) as plan]:
            return assistant(ask_once(plan, voice))
        case [Plan(missing=()) as plan]:
            return assistant(unclear(plan, voice))
        case [plan]:
            return assistant(ask_for(plan, voice))
        case _:
            return assistant(ask_which(plans, voice))


def _plans(catalogue: Catalogue, messages: Sequence[Message], voice: Voice) -> list[Plan]:
    """What the last message means: by itself, or as the answer to the planner's own question before it.

    It is an answer when the message before is word for word what the planner asks after the messages before that.
    """
    first = len(messages) - 1
    while first >= 2 and len(messages) - first < 2 * _QUESTIONS and _exchange(messages[first - 2], messages[first - 1]):
        first -= 2
    plans: list[Plan] = []
    for at in range(first, len(messages), 2):
        said, asked = messages[at], messages[at - 1]
        text = said.text if isinstance(said, UserMessage) else ""
        question = asked.text if at > first and isinstance(asked, AssistantMessage) else ""
        plans = _answered(catalogue, plans, question, text, voice)
    return plans


def _exchange(said: Message, answer: Message) -> bool:
    return isinstance(said, UserMessage) and isinstance(answer, AssistantMessage) and not answer.tool_calls


def _answered(catalogue: Catalogue, plans: list[Plan], question: str, text: str, voice: Voice) -> list[Plan]:
    match plans:
        case [Plan(missing=[_, *_]) as plan] if question == ask_for(plan, voice):
            if catalogue.commands(text) or catalogue.means_little(text):
                return catalogue.plans(text)
            return [catalogue.continued(plan, text)]
        case _:
            return catalogue.plans(text)
