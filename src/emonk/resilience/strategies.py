"""How often, and after how long, each kind of component is tried again."""

from collections.abc import Mapping
from types import MappingProxyType

from emonk.resilience.attempts import RetryPolicy

STRATEGIES: Mapping[str, RetryPolicy] = MappingProxyType(
    {
        "schedules": RetryPolicy(retries=3, first=1.0),
        "skills": RetryPolicy(retries=1, first=0.0),
        "models": RetryPolicy(retries=5, first=1.0),
        "search": RetryPolicy(retries=2, first=2.0),
        "api": RetryPolicy(retries=3, first=1.0),
    }
)
"""The defaults: schedules 1, 2, 4 s; models 1, 2, 4, 8, 16 s; search 2, 4 s; api 1, 2, 4 s.

A skill is tried once more at once. Whoever applies it sees to it that only idempotent tools are.
"""
