"""The rule that every tool call passes before it runs."""

import msgspec

from emonk.records import RiskLevel


class Allowed(msgspec.Struct, frozen=True):
    """The call may run."""


class Denied(msgspec.Struct, frozen=True):
    """The call must not run; `reason` is for the model and the user."""

    reason: str


def decide(tool: str, risk: RiskLevel) -> Allowed | Denied:
    """Only LOW risk runs without a person's decision, and there is no way yet to ask for one."""
    if risk is RiskLevel.LOW:
        return Allowed()
    stated = "high risk (what declares none counts as high)" if risk is RiskLevel.HIGH else f"{risk} risk"
    return Denied(f"{tool} has {stated} and needs an approval, which this version cannot ask for")
