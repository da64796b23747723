"""The concurrency limit: who runs, who waits, who is told to go, and that no slot is ever lost."""

import asyncio
import math
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from emonk.errors import DeadlineExceeded, InvalidConfig, Unavailable
from emonk.resilience.limit import ConcurrencyLimit
from emonk.testing.clock import ManualClock


class Call:
    """A caller in a task: waits for a slot, then runs until told to end."""

    def __init__(self, limit: ConcurrencyLimit, *, background: bool = False, deadline: float | None = None) -> None:
        self.running = False
        self.end = asyncio.Event()
        self.task = asyncio.ensure_future(self._run(limit.slot(background=background, deadline=deadline)))

    async def _run(self, slot: Any) -> None:
        async with slot:
            self.running = True
            try:
                await self.end.wait()
            finally:
                self.running = False

    @property
    def error(self) -> BaseException | None:
        return self.task.exception() if self.task.done() and not self.task.cancelled() else None


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def end(*calls: Call) -> None:
    for call in calls:
        call.end.set()
    await asyncio.gather(*(call.task for call in calls), return_exceptions=True)


def test_so_many_run_and_the_rest_wait_in_their_order() -> None:
    async def main() -> None:
        limit = ConcurrencyLimit("gemini", at_once=2, queue=2, clock=ManualClock())
        calls = [Call(limit) for _ in range(4)]
        await settle()
        assert [call.running for call in calls] == [True, True, False, False]
        assert (limit.running, limit.waiting) == (2, 2)
        calls[1].end.set()
        await settle()
        assert [call.running for call in calls] == [True, False, True, False]
        await end(*calls)
        assert (limit.running, limit.waiting) == (0, 0)

    asyncio.run(main())


def test_a_full_queue_refuses_at_once() -> None:
    async def main() -> None:
        limit = ConcurrencyLimit("gemini", at_once=1, queue=1, clock=ManualClock())
        calls = [Call(limit) for _ in range(2)]
        await settle()
        with pytest.raises(Unavailable, match="gemini is overloaded: 1 calls run and 1 wait") as raised:
            async with limit.slot():
                raise AssertionError("never runs")
        assert raised.value.code == "overloaded"
        await end(*calls)
        async with limit.slot():
            assert limit.running == 1

    asyncio.run(main())


def test_a_limit_without_a_queue_refuses_what_cannot_run() -> None:
    async def main() -> None:
        limit = ConcurrencyLimit("gemini", at_once=1, queue=0)
        async with limit.slot():
            with pytest.raises(Unavailable):
                await limit.slot().__aenter__()
        async with limit.slot():
            pass

    asyncio.run(main())


def test_interactive_calls_go_before_background_ones() -> None:
    async def main() -> None:
        limit = ConcurrencyLimit("gemini", at_once=1, queue=4, clock=ManualClock())
        first = Call(limit)
        background = Call(limit, background=True)
        await settle()
        interactive = Call(limit)
        await settle()
        first.end.set()
        await settle()
        assert (interactive.running, background.running) == (True, False)
        interactive.end.set()
        await settle()
        assert background.running
        await end(background)

    asyncio.run(main())


def test_an_interactive_call_takes_the_place_of_the_last_background_call() -> None:
    async def main() -> None:
        limit = ConcurrencyLimit("gemini", at_once=1, queue=2, clock=ManualClock())
        calls = [Call(limit), Call(limit, background=True), Call(limit, background=True)]
        await settle()
        late = Call(limit, background=True)
        await settle()
        assert isinstance(late.error, Unavailable)
        interactive = Call(limit)
        await settle()
        assert isinstance(calls[2].error, Unavailable)
        assert calls[1].error is None
        assert (limit.running, limit.waiting) == (1, 2)
        await end(*calls, interactive)
        assert (limit.running, limit.waiting) == (0, 0)

    asyncio.run(main())


def test_who_waits_until_its_deadline_leaves_the_queue() -> None:
    async def main() -> None:
        clock = ManualClock()
        limit = ConcurrencyLimit("gemini", at_once=1, queue=1, clock=clock)
        first = Call(limit)
        await settle()
        second = Call(limit, deadline=clock.monotonic() + 5)
        await clock.advance(5)
        assert isinstance(second.error, DeadlineExceeded)
        assert (limit.running, limit.waiting) == (1, 0)
        await end(first)
        assert limit.running == 0

    asyncio.run(main())


def test_the_deadline_holds_on_the_system_clock_too() -> None:
    async def main() -> None:
        limit = ConcurrencyLimit("gemini", at_once=1)
        first = Call(limit)
        await settle()
        with pytest.raises(DeadlineExceeded):
            async with limit.slot(deadline=asyncio.get_running_loop().time() + 0.01):
                raise AssertionError("never runs")
        await end(first)
        assert (limit.running, limit.waiting) == (0, 0)

    asyncio.run(main())


def test_no_call_begins_after_its_deadline_even_if_a_slot_is_free() -> None:
    async def main() -> None:
        clock = ManualClock()
        limit = ConcurrencyLimit("gemini", clock=clock)
        with pytest.raises(DeadlineExceeded):
            await limit.slot(deadline=clock.monotonic()).__aenter__()
        assert limit.running == 0

    asyncio.run(main())


@pytest.mark.parametrize("deadline", [None, 60.0])
def test_a_caller_who_is_cancelled_as_its_slot_is_granted_gives_it_back(deadline: float | None) -> None:
    async def main() -> None:
        clock = ManualClock()
        until = None if deadline is None else clock.monotonic() + deadline
        limit = ConcurrencyLimit("gemini", at_once=1, clock=clock)
        await limit.acquire(background=False, deadline=None)
        leaving, next_one = Call(limit, deadline=until), Call(limit)
        await settle()
        limit.release()
        leaving.task.cancel()
        await settle()
        assert leaving.task.cancelled()
        assert next_one.running
        await end(next_one)
        assert (limit.running, limit.waiting) == (0, 0)

    asyncio.run(main())


def test_a_caller_who_is_cancelled_as_it_is_shed_leaves_nothing_behind() -> None:
    async def main() -> None:
        limit = ConcurrencyLimit("gemini", at_once=1, queue=1, clock=ManualClock())
        first, background = Call(limit), Call(limit, background=True)
        await settle()
        interactive = Call(limit)
        await asyncio.sleep(0)
        background.task.cancel()
        await settle()
        assert background.task.cancelled()
        await end(first, interactive)
        assert (limit.running, limit.waiting) == (0, 0)

    asyncio.run(main())


@pytest.mark.parametrize(
    "options",
    [{"at_once": 0}, {"at_once": -1}, {"at_once": True}, {"at_once": 1.5}, {"queue": -1}, {"queue": None}],
    ids=str,
)
def test_limits_without_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig, match=next(iter(options))):
        ConcurrencyLimit("gemini", **options)


@pytest.mark.parametrize("options", [{"deadline": math.nan}, {"deadline": "soon"}, {"background": "no"}], ids=str)
def test_a_slot_with_values_of_another_type_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig, match=next(iter(options))):
        ConcurrencyLimit("gemini").slot(**options)


class Waiting:
    """A call as the model sees it."""

    def __init__(self, call: Call, *, background: bool, deadline: float | None) -> None:
        self.call = call
        self.background = background
        self.deadline = deadline


class LimitModel(RuleBasedStateMachine):
    """Any order of coming, ending, leaving and waiting too long, against two plain lists."""

    AT_ONCE, QUEUE = 2, 3

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = ManualClock()
        self.limit = ConcurrencyLimit("model", at_once=self.AT_ONCE, queue=self.QUEUE, clock=self.clock)
        self.running: list[Call] = []
        self.waiting: list[Waiting] = []
        self.calls: list[Call] = []

    def settle(self) -> None:
        self.loop.run_until_complete(settle())

    def teardown(self) -> None:
        self.loop.run_until_complete(end(*self.calls))
        assert (self.limit.running, self.limit.waiting) == (0, 0)
        assert not asyncio.all_tasks(self.loop)
        self.loop.close()

    @rule(background=st.booleans(), patience=st.one_of(st.none(), st.integers(0, 5)))
    def come(self, background: bool, patience: int | None) -> None:
        deadline = None if patience is None else self.clock.monotonic() + patience

        async def begin() -> Call:
            return Call(self.limit, background=background, deadline=deadline)

        call = self.loop.run_until_complete(begin())
        self.calls.append(call)
        self.settle()
        newest = next((one for one in reversed(self.waiting) if one.background), None)
        if patience == 0:
            assert isinstance(call.error, DeadlineExceeded)
        elif len(self.running) < self.AT_ONCE:
            self.running.append(call)
        elif len(self.waiting) < self.QUEUE:
            self.waiting.append(Waiting(call, background=background, deadline=deadline))
        elif newest is not None and not background:
            assert isinstance(newest.call.error, Unavailable)
            self.waiting.remove(newest)
            self.waiting.append(Waiting(call, background=background, deadline=deadline))
        else:
            assert isinstance(call.error, Unavailable)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), cancelled=st.booleans())
    def leave_a_slot(self, data: st.DataObject, cancelled: bool) -> None:
        call = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        if cancelled:
            call.task.cancel()
        else:
            call.end.set()
        self.settle()
        self.serve()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leave_the_queue(self, data: st.DataObject) -> None:
        left = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
        left.call.task.cancel()
        self.settle()
        assert left.call.task.cancelled()

    @precondition(lambda self: self.running and self.waiting)
    @rule(data=st.data(), turns=st.integers(0, 4))
    def leave_the_queue_just_as_a_slot_is_free(self, data: st.DataObject, turns: int) -> None:
        ending = self.running.pop(0)
        left = data.draw(st.sampled_from(self.waiting))

        async def race() -> None:
            ending.end.set()
            for _ in range(turns):
                await asyncio.sleep(0)
            left.call.task.cancel()

        self.loop.run_until_complete(race())
        self.settle()
        assert left.call.task.cancelled()
        self.waiting.remove(left)
        self.serve()

    @rule(seconds=st.integers(1, 3))
    def wait(self, seconds: int) -> None:
        self.loop.run_until_complete(self.clock.advance(seconds))
        late = [one for one in self.waiting if one.deadline is not None and one.deadline <= self.clock.monotonic()]
        for one in late:
            assert isinstance(one.call.error, DeadlineExceeded)
            self.waiting.remove(one)

    def serve(self) -> None:
        """Interactive first, then the one that has waited longest."""
        if self.waiting and len(self.running) < self.AT_ONCE:
            chosen = min(self.waiting, key=lambda one: one.background)
            self.waiting.remove(chosen)
            self.running.append(chosen.call)

    @invariant()
    def as_modelled(self) -> None:
        assert {call for call in self.calls if call.running} == set(self.running)
        assert (self.limit.running, self.limit.waiting) == (len(self.running), len(self.waiting))


LimitModel.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestLimitModel = LimitModel.TestCase
