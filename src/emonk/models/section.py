"""The `llm` section of agent.yaml."""

import re
from typing import Literal

import msgspec

from emonk.errors import InvalidConfig
from emonk.models.specs import PRICED_AS


class LlmSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which models an agent uses.

    `model` alone is lead and worker. A bare Gemini name means Vertex AI when `project_id` is set, else the Gemini API.
    """

    model: str
    worker: str | None = None
    fallback: str | None = None
    project_id: str | None = None
    location: str | None = None
    unpriced: Literal["notice", "allow"] = "notice"

    def __post_init__(self) -> None:
        self.specs()

    def specs(self) -> dict[str, str]:
        """The model strings by role: `lead`, and `worker` and `fallback` where they are set.

        Raises:
            InvalidConfig: a name that says no provider and is not a Gemini model's.
        """
        roles = {"lead": self.model, "worker": self.worker, "fallback": self.fallback}
        return {role: self._spec(name) for role, name in roles.items() if name}

    def _spec(self, name: str) -> str:
        if name == "offline" or name.partition(":")[0] in PRICED_AS:
            return name
        if re.fullmatch(r"(models/)?(gemini|gemma)-[\w.-]+", name):
            provider = "vertex" if self.project_id else "gemini"
            return f"{provider}:{name.removeprefix('models/')}"
        raise InvalidConfig(
            f"{name!r} names no model", hint="write gemini:NAME, offline, or a Gemini model's bare name"
        )
