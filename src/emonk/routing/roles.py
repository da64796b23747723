"""Which models there are, by role."""

from collections.abc import Mapping
from typing import cast

from emonk.errors import InvalidConfig
from emonk.models.protocol import Model
from emonk.models.specs import SPECS
from emonk.routing.decision import ROLES, Role

Given = str | Model


def by_role(model: "Given | Mapping[str, Given]") -> dict[Role, Given]:
    """The models as they were given: `lead`, and `worker` and `fallback` where they are another one.

    Raises:
        InvalidConfig: there is no lead, an unknown role, or something that is no model.
    """
    given: Mapping[str, Given] = model if isinstance(model, Mapping) else {"lead": model}
    unknown = next((role for role in given if role not in ROLES), None)
    if unknown is not None:
        raise InvalidConfig(f"{unknown!r} is no role of a model", hint=f"the roles are {', '.join(ROLES)}")
    if not given.get("lead"):
        raise InvalidConfig("the models name no lead", hint='write model={"lead": "PROVIDER:NAME"}')
    chosen: dict[Role, Given] = {}
    for role in ROLES:
        one = given.get(role)
        if one and one not in chosen.values():
            chosen[role] = _checked(one)
    return chosen


def spec_of(model: Given) -> str:
    """How a configuration names it."""
    return model if isinstance(model, str) else model.spec


def _checked(model: object) -> Given:
    if isinstance(model, str) or hasattr(model, "generate"):
        return cast("Given", model)
    raise InvalidConfig(f"{model!r} is no model", hint=f"write {SPECS}, or give an emonk.models.Model")
