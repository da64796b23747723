"""An agent: the one door for every caller."""

from emonk.agent.agent import Agent

__all__ = ["Agent"]
