"""The offline model behind the form of every model."""

from collections.abc import AsyncIterator, Sequence

from emonk.ids import uuid7
from emonk.messages import AssistantMessage, ToolCall, ToolMessage, UserMessage, assistant
from emonk.models.offline.match import Catalogue, Plan
from emonk.models.offline.phrase import ask_for, ask_which, capabilities, results
from emonk.models.protocol import ModelDelta, ModelRequest, ModelResponse, Outcome, TextDelta, ToolLike
from emonk.records import Usage


class OfflineModel:
    """Matches a message to a tool by rules, and shows what the tool returns. It runs nothing and costs nothing.

    The same request gets the same plan; only the ids of its calls differ.
    """

    spec = "offline"

    def __init__(self) -> None:
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
                return assistant(results(last.results))
            case UserMessage() if request.tools and request.tool_choice != "none":
                return self._planned(self._prepared(request.tools), last.text)
            case _:
                return assistant(capabilities(self._prepared(request.tools).offered))

    def _planned(self, catalogue: Catalogue, text: str) -> AssistantMessage:
        match catalogue.plans(text):
            case []:
                return assistant(capabilities(catalogue.offered))
            case [Plan(missing=()) as plan]:
                return assistant(tool_calls=[ToolCall(f"offline_{uuid7()}", plan.tool.name, plan.arguments)])
            case [plan]:
                return assistant(ask_for(plan))
            case plans:
                return assistant(ask_which(plans))

    def _prepared(self, tools: Sequence[ToolLike]) -> Catalogue:
        kept = self._catalogue.tools
        if len(kept) != len(tools) or any(one is not other for one, other in zip(kept, tools, strict=True)):
            self._catalogue = Catalogue(tools)
        return self._catalogue
