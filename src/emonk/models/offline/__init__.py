"""The offline model: a rule-based planner for when there is no language model to be had."""

from emonk.models.offline.model import OfflineModel
from emonk.models.offline.phrase import UNCONFIGURED, UNREACHABLE

__all__ = ["UNCONFIGURED", "UNREACHABLE", "OfflineModel"]
