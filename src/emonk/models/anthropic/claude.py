"""What each Claude takes, read from its name.

https://platform.claude.com/docs/en/build-with-claude/thinking, .../effort, .../structured-outputs and
.../preserved-thinking, and the "what's new" page of each model.
"""

import re
from typing import Literal

import msgspec

ThinkingKind = Literal["none", "budget", "optional", "default", "always", "between_tools"]
"""How thinking is asked for.

`none`: not at all; `budget`: by a number of tokens; the others by `adaptive` and an effort, where it is off unless it
is asked for (`optional`), on unless `disabled` (`default`), on whatever is asked (`always`), or on unless
`between_tools`.
"""

_FAMILIES = "opus|sonnet|haiku|fable|mythos"
_NEW_NAME = re.compile(rf"claude-({_FAMILIES})-(\d{{1,2}})(?:[-.](\d{{1,2}}))?(?!\d)")
_OLD_NAME = re.compile(rf"claude-(\d{{1,2}})(?:[-.](\d{{1,2}}))?-({_FAMILIES})")
_UNVERSIONED = re.compile(rf"claude-({_FAMILIES})\b")
_PREVIEW = (5, 0)  # Claude Mythos Preview takes what the fifth generation does


class Claude(msgspec.Struct, frozen=True):
    """A model by its family and version; both are empty where the name tells nothing, as on compatible servers."""

    family: str = ""
    version: tuple[int, int] = (0, 0)

    @property
    def thinking(self) -> ThinkingKind:
        if not self.family:
            return "budget"
        if self.version < (3, 7):
            return "none"
        if self.version < ((5, 0) if self.family == "haiku" else (4, 6)):
            return "budget"
        if self.version < (5, 0):
            return "optional"
        if self.family in {"fable", "mythos"} or (self.family == "opus" and self.version >= (5, 5)):
            return "always"
        return "between_tools" if self.family == "sonnet" and self.version >= (5, 5) else "default"

    @property
    def takes_effort(self) -> bool:
        """Whether `output_config.effort` may be set."""
        return self.version >= ((4, 5) if self.family == "opus" else (5, 0) if self.family == "haiku" else (4, 6))

    @property
    def hides_thinking(self) -> bool:
        """Whether thinking comes without its text unless that is asked for."""
        return self.version >= (4, 7)

    @property
    def takes_temperature(self) -> bool:
        return self.version < (4, 7)

    @property
    def takes_forced_tools(self) -> bool:
        """Whether a call can be required; the newest refuse it, with and without thinking."""
        forced_until = {"fable": (5, 1), "mythos": (5, 1), "opus": (5, 5), "sonnet": (5, 5)}
        return self.version < forced_until.get(self.family, (99, 0))

    @property
    def writes_json(self) -> bool:
        """Whether `output_config.format` holds an answer to a schema; older ones are made to call a tool for it."""
        return not self.family or self.version >= ((4, 1) if self.family == "opus" else (4, 5))

    @property
    def binds_thinking(self) -> bool:
        """Whether thinking is refused in a conversation that has changed since, unless it may be dropped."""
        return self.version >= (5, 1)

    @property
    def most_output(self) -> int:
        """Tokens that an answer may have, thinking included."""
        if not self.family or self.version >= (4, 6):
            return 128_000
        if self.version < (3, 7):
            return 8_192 if self.version == (3, 5) else 4_096
        return 32_000 if self.family == "opus" and self.version < (4, 5) else 64_000


def claude(name: str) -> Claude:
    """The model that a name means, however it is prefixed and dated.

    `claude-sonnet-4-5-20250929`, `claude-3-7-sonnet-latest`, `anthropic/claude-opus-4.8`.
    """
    if found := _NEW_NAME.search(name):
        return Claude(found[1], (int(found[2]), int(found[3] or 0)))
    if found := _OLD_NAME.search(name):
        return Claude(found[3], (int(found[1]), int(found[2] or 0)))
    found = _UNVERSIONED.search(name)
    return Claude(found[1], _PREVIEW) if found else Claude()
