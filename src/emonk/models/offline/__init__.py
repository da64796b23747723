"""The offline model: a rule-based planner for when no language model is configured."""

from emonk.models.offline.model import OfflineModel

__all__ = ["OfflineModel"]
