"""Language models: one adapter per wire format, one form for all."""

from emonk.models.create import create
from emonk.models.protocol import (
    Model,
    ModelDelta,
    ModelRequest,
    ModelResponse,
    Outcome,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    ToolSchema,
)

__all__ = [
    "Model",
    "ModelDelta",
    "ModelRequest",
    "ModelResponse",
    "Outcome",
    "TextDelta",
    "ThinkingDelta",
    "ToolCallDelta",
    "ToolSchema",
    "create",
]
