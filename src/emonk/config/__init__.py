"""YAML files as typed structs, in which every mistake is told with its line and key."""

from emonk.config.file import load
from emonk.config.variables import substitute

__all__ = ["load", "substitute"]
