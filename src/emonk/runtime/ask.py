"""One call of a model, whole or streamed to whoever watches."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

import msgspec
from msgspec.structs import astuple

from emonk.errors import AgentError, EmonkError, InfraError, Unavailable
from emonk.events import ModelSaid, StepFailed
from emonk.ids import uuid7
from emonk.messages import AssistantMessage, AssistantPart, ToolCall
from emonk.models.protocol import Model, ModelRequest, ModelResponse, Outcome, TextDelta
from emonk.records import Usage
from emonk.resilience.classify import retryable
from emonk.runtime.ledger import FREE, Entry
from emonk.runtime.progress import Emit, ReplyDelta
from emonk.skills.threads import contained

BELIEVED = 1_000_000_000
"""Tokens that a call may have: a provider that counts more says nothing that can be billed."""


class StreamBroken(InfraError):
    """A streamed answer failed after its first delta; `text` is what was shown."""

    def __init__(self, text: str, error: EmonkError) -> None:
        super().__init__(error.message, hint=error.hint, code=error.code, final=True)
        self.text = text


class PricedResponse(msgspec.Struct, frozen=True, gc=False):
    """A model's answer and its price in USD, None when that is not known."""

    response: ModelResponse
    cost: Decimal | None

    def said(self) -> ModelSaid:
        """The answer as an event of the log."""
        response = self.response
        return ModelSaid(
            message=response.message,
            model=response.model,
            finish_reason=response.finish_reason,
            usage=response.usage,
            cost_usd=self.cost,
        )

    def failed(self, code: str, message: str) -> StepFailed:
        """The answer as one that cannot be used."""
        response = self.response
        return StepFailed(model=response.model, code=code, message=message, usage=response.usage, cost_usd=self.cost)


def _free() -> Entry:
    return FREE


async def ask(
    model: Model, request: ModelRequest, emit: Emit, *, streaming: bool, begin: Callable[[], Entry] = _free
) -> PricedResponse:
    """Call the model once. This is the one place where a model is called.

    Args:
        model: who is asked.
        request: what.
        emit: shows deltas to whoever watches.
        streaming: the answer is shown as it comes.
        begin: opens the call's row in the ledger.

    Raises:
        StreamBroken: the stream failed after its first delta, so asking again would not go unseen.
        InfraError, ConfigError: the call failed before anything was said.
    """
    entry = begin()
    try:
        response = await contained(_streamed(model, request, emit) if streaming else model.generate(request))
    except AgentError as error:
        return PricedResponse(_malformed(model, error), entry.failed(error))
    except Exception as error:
        fault = _fault(error)
        entry.failed(error, fault.code if fault else "")
        if fault is None or fault is error:
            raise
        raise fault from error
    except BaseException as error:
        entry.failed(error)
        raise
    if not response.model.isascii() or max(astuple(response.usage)) > BELIEVED:
        response = _credible(response)
    parts = response.message.parts
    if len(parts) > 1 and not _told_apart(response.message.tool_calls):
        message = AssistantMessage(tuple(_distinct(parts)))
        response = msgspec.structs.replace(response, message=message)
    return PricedResponse(response, entry.answered(response))


def _credible(response: ModelResponse) -> ModelResponse:
    """Without what no log can keep: half a character in its model's name, and tokens that no call has."""
    told = max(astuple(response.usage)) <= BELIEVED
    name = response.model.encode(errors="replace").decode()
    return msgspec.structs.replace(response, model=name, usage=response.usage if told else Usage())


def _fault(error: Exception) -> EmonkError | None:
    """The error in emonk's terms, also where an adapter lets the connection's own through; None for a defect."""
    if isinstance(error, EmonkError):
        return error
    if isinstance(error, OSError) or retryable(error):
        return Unavailable(f"the connection failed: {type(error).__name__}: {error}", code="disconnected")
    return None


def _malformed(model: Model, error: AgentError) -> ModelResponse:
    """What an adapter could not make sense of is an answer that cannot be used."""
    return ModelResponse(
        message=AssistantMessage(()),
        outcome=Outcome.MALFORMED,
        finish_reason=str(error),
        usage=Usage(),
        model=model.spec,
    )


def _told_apart(calls: Sequence[ToolCall]) -> bool:
    return len({call.id for call in calls}) == len(calls)


def _distinct(parts: Iterable[AssistantPart]) -> Iterable[AssistantPart]:
    """Results are told apart by the ids of their calls, so a model that gives two calls one id gets another."""
    seen: set[str] = set()
    for part in parts:
        if isinstance(part, ToolCall) and part.id in seen:
            yield msgspec.structs.replace(part, id=f"{part.id}_{uuid7()}")
        else:
            yield part
        if isinstance(part, ToolCall):
            seen.add(part.id)


async def _streamed(model: Model, request: ModelRequest, emit: Emit) -> ModelResponse:
    shown: list[str] = []
    whole: ModelResponse | None = None
    try:
        async for part in model.stream(request):
            match part:
                case TextDelta(text=text):
                    shown.append(text)
                    emit(ReplyDelta(text))
                case ModelResponse():
                    whole = part
                case _:
                    continue
    except Exception as error:
        fault = _fault(error)
        if shown and fault is not None:
            raise StreamBroken("".join(shown), fault) from error
        raise
    if whole is None:
        raise RuntimeError(f"the stream of {model.spec} ended without its whole answer")
    return whole
