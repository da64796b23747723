"""Variables of the environment in the values of a file: `${VAR}` and `${VAR:-default}`."""

import re
from collections.abc import Mapping

from emonk.errors import InvalidConfig

_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|(?P<broken>\{))")


def substitute(text: str, env: Mapping[str, str]) -> str:
    """Replace `${VAR}`, and `${VAR:-default}` where VAR is unset or empty; `$$` is a literal dollar.

    What a variable holds is never looked through for variables itself.

    Raises:
        InvalidConfig: a variable without default is not set, or a `${` has no end or no proper name.
    """

    def value(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if match["broken"]:
            raise InvalidConfig(
                "a variable that begins with ${ cannot be read",
                hint="write ${NAME} or ${NAME:-default}; a literal ${ is written $${",
            )
        if name is None:
            return "$"
        if default is not None:
            return env.get(name) or default
        if name not in env:
            raise InvalidConfig(
                f"the environment variable {name} is not set",
                hint=f"set {name}, or give it a default: ${{{name}:-default}}",
            )
        return env[name]

    return _VARIABLE.sub(value, text)
