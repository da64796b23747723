"""The `llm` section of agent.yaml."""

import re
from typing import Literal

import msgspec

from emonk.errors import InvalidConfig
from emonk.models.specs import PRICED_AS, SPECS, spec_hint


class LlmSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which models an agent uses.

    `model` alone is lead and worker. A bare Gemini name means Vertex AI when `project_id` is set, else the Gemini API.
    `project_id` and `location` are where `vertex:NAME` is asked; else the environment and the credentials say it.
    """

    model: str
    worker: str | None = None
    fallback: str | None = None
    project_id: str | None = None
    location: str | None = None
    unpriced: Literal["notice", "allow"] = "notice"

    def __post_init__(self) -> None:
        if not self.model:
            raise InvalidConfig("llm.model is empty", hint=f"write {SPECS}")
        self.specs()

    def specs(self) -> dict[str, str]:
        """The model strings by role: `lead`, and `worker` and `fallback` where they are set.

        Raises:
            InvalidConfig: a name that says no provider and is not a Gemini model's.
        """
        named = {"model": self.model, "worker": self.worker, "fallback": self.fallback}
        return {"lead" if key == "model" else key: self._spec(key, name) for key, name in named.items() if name}

    def _spec(self, key: str, name: str) -> str:
        provider, _, bare = name.partition(":")
        if provider == "vertex" and "/" not in bare:
            return self._at_vertex(bare)
        if name == "offline" or provider in PRICED_AS:
            return name
        if re.fullmatch(r"(models/)?(gemini|gemma)-[\w.-]+", name):
            bare = name.removeprefix("models/")
            return self._at_vertex(bare) if self.project_id else f"gemini:{bare}"
        said = f"llm.{key} is {name!r}, which names no model this version has"
        raise InvalidConfig(said, hint=spec_hint(name))

    def _at_vertex(self, name: str) -> str:
        """A model by as much of Google's full name as the section says."""
        project = f"projects/{self.project_id}/" if self.project_id else ""
        location = f"locations/{self.location}/" if self.location else ""
        return f"vertex:{project}{location}publishers/google/models/{name}" if project or location else f"vertex:{name}"
