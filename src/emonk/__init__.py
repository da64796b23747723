"""emonk: single-purpose LLM agents that survive faults.

Names are imported when first used, so that `import emonk` costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emonk.agent import Agent
    from emonk.costs.tracker import CostTracker
    from emonk.errors import AgentError, ConfigError, InfraError
    from emonk.observe.trace import get_trace_id, trace_context
    from emonk.records import Effect, Reply, RiskLevel, Session
    from emonk.resilience.breaker import CircuitBreaker
    from emonk.resilience.breaker_events import CircuitState
    from emonk.resilience.recovery import execute_with_recovery
    from emonk.resilience.retry import retry_with_backoff
    from emonk.routing.complexity import TaskComplexity
    from emonk.routing.router import MultiModelRouter
    from emonk.skills.effect import Happened, NotHappened
    from emonk.skills.function import tool
    from emonk.skills.protocol import Context
    from emonk.skills.skill import Skill

__version__ = "0.1.0"

__all__ = [
    "Agent",
    "AgentError",
    "CircuitBreaker",
    "CircuitState",
    "ConfigError",
    "Context",
    "CostTracker",
    "Effect",
    "Happened",
    "InfraError",
    "MultiModelRouter",
    "NotHappened",
    "Reply",
    "RiskLevel",
    "Session",
    "Skill",
    "TaskComplexity",
    "execute_with_recovery",
    "get_trace_id",
    "retry_with_backoff",
    "tool",
    "trace_context",
]

_HOMES = {
    "Agent": "emonk.agent",
    "AgentError": "emonk.errors",
    "CircuitBreaker": "emonk.resilience.breaker",
    "CircuitState": "emonk.resilience.breaker_events",
    "ConfigError": "emonk.errors",
    "Context": "emonk.skills.protocol",
    "CostTracker": "emonk.costs.tracker",
    "Effect": "emonk.records",
    "Happened": "emonk.skills.effect",
    "InfraError": "emonk.errors",
    "MultiModelRouter": "emonk.routing.router",
    "NotHappened": "emonk.skills.effect",
    "Reply": "emonk.records",
    "RiskLevel": "emonk.records",
    "Session": "emonk.records",
    "Skill": "emonk.skills.skill",
    "TaskComplexity": "emonk.routing.complexity",
    "execute_with_recovery": "emonk.resilience.recovery",
    "get_trace_id": "emonk.observe.trace",
    "retry_with_backoff": "emonk.resilience.retry",
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
