"""The ledger of what the outside world sees: at most once, and looked up where nobody knows."""

from emonk.effects.unfinished import unfinished

__all__ = ["unfinished"]
