"""The simulator sees calls without a row, and rows that do not say how their calls ended."""

from collections.abc import Callable

import pytest

from emonk.runtime.bills import Bills
from emonk.runtime.journal import Journal
from emonk.runtime.ledger import Ledger
from emonk.testing.simulator import simulate
from emonk.testing.simulator.billing import every_call_has_one_row
from tests.testing.simulated import travel_agent

Plant = Callable[[pytest.MonkeyPatch], None]


def nothing(*_: object) -> None: ...


def bill_no_call_at_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Bills, "add", nothing)
    patch.setattr(Journal, "bill", nothing)


def forget_how_calls_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "end", nothing)


def lose_rows_with_their_session(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Journal, "_bill_apart", nothing)
    patch.setattr(Journal, "bill_now", nothing)
    patch.setattr(Bills, "add", nothing)


@pytest.mark.parametrize("plant", [bill_no_call_at_all, forget_how_calls_end, lose_rows_with_their_session])
def test_a_bill_that_is_wrong_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert simulate(travel_agent(), seeds=40, invariants=[every_call_has_one_row]).broken


def test_the_bill_of_many_runs_is_right() -> None:
    simulate(travel_agent(), seeds=20, invariants=[every_call_has_one_row]).check()
