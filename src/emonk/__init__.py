"""emonk: single-purpose LLM agents that survive faults.

Names are imported when first used, so that `import emonk` costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emonk.agent import Agent
    from emonk.errors import AgentError, ConfigError, InfraError
    from emonk.observe.trace import get_trace_id, trace_context
    from emonk.records import Reply, RiskLevel
    from emonk.skills.function import tool
    from emonk.skills.protocol import Context
    from emonk.skills.skill import Skill

__version__ = "0.1.0"

__all__ = [
    "Agent",
    "AgentError",
    "ConfigError",
    "Context",
    "InfraError",
    "Reply",
    "RiskLevel",
    "Skill",
    "get_trace_id",
    "tool",
    "trace_context",
]

_HOMES = {
    "Agent": "emonk.agent",
    "AgentError": "emonk.errors",
    "ConfigError": "emonk.errors",
    "Context": "emonk.skills.protocol",
    "InfraError": "emonk.errors",
    "Reply": "emonk.records",
    "RiskLevel": "emonk.records",
    "Skill": "emonk.skills.skill",
    "get_trace_id": "emonk.observe.trace",
    "tool": "emonk.skills.function",
    "trace_context": "emonk.observe.trace",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'emonk' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
