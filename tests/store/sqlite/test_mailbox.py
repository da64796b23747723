"""Answers of a thread to event loops that come and go."""

import asyncio
import gc
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from emonk.store.sqlite.mailbox import Mailbox, mailbox


def in_a_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_answers_come_in_their_order_and_in_the_loop() -> None:
    came: list[tuple[int, bool]] = []

    async def main() -> None:
        done, box, here = asyncio.Event(), mailbox(asyncio.get_running_loop()), threading.get_ident()

        def post() -> None:
            for number in range(100):
                box.post(lambda number=number: came.append((number, threading.get_ident() == here)))
            box.post(done.set)

        in_a_thread(post)
        assert not came
        await done.wait()

    asyncio.run(main())
    assert came == [(number, True) for number in range(100)]


def test_an_answer_that_fails_does_not_keep_the_next_one_back() -> None:
    failures: list[object] = []

    async def main() -> None:
        done, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: failures.append(context["exception"]))
        box = mailbox(loop)
        in_a_thread(lambda: [box.post(lambda: 1 // 0), box.post(done.set)])
        await done.wait()

    asyncio.run(main())
    assert [str(failure) for failure in failures] == ["integer division or modulo by zero"]


def test_an_answer_to_a_closed_loop_is_dropped() -> None:
    boxes: list[Mailbox] = []
    came: list[int] = []

    async def main() -> None:
        boxes.append(mailbox(asyncio.get_running_loop()))

    asyncio.run(main())
    in_a_thread(lambda: boxes[0].post(lambda: came.append(1)))
    assert not came


@pytest.mark.skipif(sys.platform != "linux", reason="counts in /proc")
def test_loops_that_are_gone_leave_no_open_file() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert mailbox(loop) is mailbox(loop)

    def opened() -> int:
        gc.collect()
        return sum(1 for _ in Path(f"/proc/{os.getpid()}/fd").iterdir())

    asyncio.run(main())
    before = opened()
    for _ in range(20):
        asyncio.run(main())
    assert opened() <= before
