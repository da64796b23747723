"""From tokens to dollars: prices, what bodies and calls cost, and who spent it.

Names are imported when first used: a turn needs prices only.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emonk.costs.bodies import cost_of
    from emonk.costs.book import Cost, PriceBook, check_priced, price
    from emonk.costs.budgets import Budgets
    from emonk.costs.rates import Rates
    from emonk.costs.savings import Savings
    from emonk.costs.section import PriceOverride
    from emonk.costs.tracker import CostTracker, Spent, UserCosts

__all__ = [
    "Budgets",
    "Cost",
    "CostTracker",
    "PriceBook",
    "PriceOverride",
    "Rates",
    "Savings",
    "Spent",
    "UserCosts",
    "check_priced",
    "cost_of",
    "price",
]

_HOMES = {
    "Budgets": "emonk.costs.budgets",
    "Cost": "emonk.costs.book",
    "CostTracker": "emonk.costs.tracker",
    "PriceBook": "emonk.costs.book",
    "PriceOverride": "emonk.costs.section",
    "Rates": "emonk.costs.rates",
    "Savings": "emonk.costs.savings",
    "Spent": "emonk.costs.tracker",
    "UserCosts": "emonk.costs.tracker",
    "check_priced": "emonk.costs.book",
    "cost_of": "emonk.costs.bodies",
    "price": "emonk.costs.book",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'emonk.costs' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
