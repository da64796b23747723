"""The file that describes an agent: `agent.yaml`."""

from pathlib import Path

import msgspec
from msgspec import UNSET, UnsetType

from emonk.agent.expiry import SessionsSection
from emonk.config import load
from emonk.costs.budgets import Budgets
from emonk.costs.section import PriceOverride
from emonk.memory.section import MemorySection
from emonk.models.section import LlmSection
from emonk.observe.section import AlertsSection
from emonk.resilience.section import ResilienceSection
from emonk.routing.section import RoutingSection
from emonk.runtime.compression.section import ContextSection
from emonk.runtime.limits import Limits


class AgentSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One agent.

    `skills_dir` is relative to the file. `store` is a store URL; without one the embedded store in the data directory.
    `memory` may be empty, which is a memory as it is by default; only without the key there is none.
    """

    name: str
    llm: LlmSection
    type: str = ""
    memory: MemorySection | UnsetType | None = UNSET
    integrations: list[str] = []
    skills_dir: str | None = None
    system_prompt: str = ""
    store: str | None = None
    limits: Limits = Limits()
    budgets: Budgets = Budgets()
    resilience: ResilienceSection = ResilienceSection()
    alerts: AlertsSection = AlertsSection()
    sessions: SessionsSection = SessionsSection()
    context: ContextSection = ContextSection()
    prices: list[PriceOverride] = []
    routing: RoutingSection = RoutingSection()

    def remembers(self, folder: Path) -> MemorySection | bool:
        """Its memory, whose `dir` is relative to a folder."""
        match self.memory:
            case MemorySection() as section:
                return section.below(folder)
            case given:
                return given is None


class AgentFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    agent: AgentSection


def read_agent_file(path: Path) -> AgentSection:
    """Load and check the shape of an agent's file; nothing is started.

    Raises:
        InvalidConfig: naming file, line and key.
    """
    return load(path, AgentFile).agent


def not_available(section: AgentSection, folder: Path) -> list[str]:
    """What the file asks for and this version does not have, one line each."""
    lines = [f"integration {name} is not available in this version" for name in section.integrations]
    if section.skills_dir is not None and not (folder / section.skills_dir).is_dir():
        lines.append(f"skills_dir {section.skills_dir} does not exist: there are no skills in it")
    return lines
