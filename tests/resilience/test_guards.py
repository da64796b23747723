"""The registry of guards: who is known by which name, and for how long."""

import asyncio
from typing import Any

import pytest

from emonk.errors import InvalidConfig, RateLimited
from emonk.resilience.guards import MANY, Guards
from emonk.resilience.section import ComponentSection, ResilienceSection
from emonk.testing.virtual_loop import SimClock, run


@pytest.mark.parametrize("component", ["nonsense", "of", "__class__", "", None, 5, []])
def test_an_unknown_kind_is_refused_and_the_known_ones_are_named(component: object) -> None:
    guards: Any = Guards()
    with pytest.raises(InvalidConfig, match="models, skills, search, api, schedules"):
        guards.of(component, "x")


@pytest.mark.parametrize("name", ["", None, 5, []])
def test_a_dependency_has_a_name(name: object) -> None:
    guards: Any = Guards()
    with pytest.raises(InvalidConfig, match="name is"):
        guards.of("api", name)


@pytest.mark.parametrize("section", [{"models": {"retries": 1}}, 5, "models"])
def test_settings_of_another_type_are_refused(section: object) -> None:
    make: Any = Guards
    with pytest.raises(InvalidConfig, match="resilience is"):
        make(section)


@pytest.mark.parametrize("models", [{"retries": 1}, None, 5])
def test_settings_of_a_kind_of_another_type_are_refused(models: object) -> None:
    make: Any = ResilienceSection
    with pytest.raises(InvalidConfig, match="models is"):
        make(models=models)


def test_breakers_settings_of_another_type_are_refused() -> None:
    make: Any = ComponentSection
    with pytest.raises(InvalidConfig, match="breaker is"):
        make(breaker={"window": 5})


def test_names_without_end_do_not_fill_the_memory() -> None:
    guards = Guards()
    model, tool = guards.of("models", "remote"), guards.of("skills", "tool")
    for number in range(3 * MANY):
        guards.passing("api", f"host {number}")
    assert len(guards.status()) == MANY + 2
    assert guards.of("models", "remote") is model
    assert guards.of("skills", "tool") is tool


def test_what_is_used_again_is_kept() -> None:
    guards = Guards()
    kept, later = guards.passing("api", "kept"), guards.passing("api", "for good")
    assert guards.of("api", "for good") is later
    for number in range(2 * MANY):
        guards.passing("api", f"host {number}")
        guards.passing("api", "kept")
    assert guards.passing("api", "kept") is kept
    assert guards.passing("api", "for good") is later


def test_what_is_at_work_is_kept() -> None:
    async def main(clock: SimClock) -> None:
        guards = Guards(clock=clock)
        busy = guards.passing("api", "busy")
        call = asyncio.create_task(busy.call(clock.sleep, 10))
        await clock.sleep(1)
        for number in range(2 * MANY):
            guards.passing("api", f"host {number}")
        assert guards.passing("api", "busy") is busy
        await call

    run(main)


def test_a_retry_waits_as_long_as_others_were_told_meanwhile_and_is_not_spent() -> None:
    async def main(clock: SimClock) -> None:
        guard = Guards(clock=clock, random=lambda: 0.5).of("models", "remote")
        asked: list[float] = []

        async def ask() -> str:
            asked.append(clock.monotonic() - 1000)
            if clock.monotonic() < 1005:
                raise RateLimited("later", retry_after=7)
            return "yes"

        first = asyncio.create_task(guard.call(ask))
        await clock.sleep(0.2)
        guard.breaker.cool_down(7)
        assert await first == "yes"
        assert asked == [0.0, pytest.approx(7.2)]
        assert guard.budget.tokens == pytest.approx(9.1, abs=0.2)

    run(main)


@pytest.mark.parametrize("key", ["first_delay", "max_delay"])
def test_a_delay_that_cannot_be_is_told_by_the_key_of_the_file(key: str) -> None:
    make: Any = ComponentSection
    with pytest.raises(InvalidConfig, match=f"^{key} is -1"):
        make(**{key: -1.0})
