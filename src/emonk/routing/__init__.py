"""How hard is a task, and which model does it: `assess`, the pure `decide`, the learned classifier, `MultiModelRouter`.

Names are imported when first used: a turn of an agent with one model needs none of them.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emonk.routing.assessment import Assessment, assess, assess_complexity
    from emonk.routing.classifier import Classifier
    from emonk.routing.complexity import TaskComplexity
    from emonk.routing.decision import Choice, Decision, decide
    from emonk.routing.router import MultiModelRouter
    from emonk.routing.section import RoutingSection

__all__ = [
    "Assessment",
    "Choice",
    "Classifier",
    "Decision",
    "MultiModelRouter",
    "RoutingSection",
    "TaskComplexity",
    "assess",
    "assess_complexity",
    "decide",
]

_HOMES = {
    "Assessment": "assessment",
    "Choice": "decision",
    "Classifier": "classifier",
    "Decision": "decision",
    "MultiModelRouter": "router",
    "RoutingSection": "section",
    "TaskComplexity": "complexity",
    "assess": "assessment",
    "assess_complexity": "assessment",
    "decide": "decision",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'emonk.routing' has no attribute {name!r}")
    return getattr(importlib.import_module(f"emonk.routing.{home}"), name)
