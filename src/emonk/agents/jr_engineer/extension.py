"""What the jr-engineer adds to the command line."""

from emonk.agents.jr_engineer.command import review
from emonk.extend import Command

COMMANDS = (Command("review", review),)
