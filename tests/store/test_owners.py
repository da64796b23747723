import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

import msgspec

from emonk.records import Owner
from emonk.store.owners import enlist, is_dead, retire, this_process

ENLIST = """
import sys, msgspec
from emonk.store.owners import enlist
print(msgspec.json.encode(enlist()).decode(), flush=True)
sys.stdin.read()
"""


@contextmanager
def process_with_owner() -> Generator[tuple[subprocess.Popen[bytes], Owner]]:
    """A process that has enlisted and waits."""
    with subprocess.Popen([sys.executable, "-c", ENLIST], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield process, msgspec.json.decode(process.stdout.readline(), type=Owner)
        finally:
            process.kill()


def test_owner_lives_until_it_is_retired() -> None:
    owner, other = enlist(), enlist()
    assert owner != other
    retire(owner)
    assert is_dead(owner)
    assert not is_dead(other)
    retire(other)


def test_process_itself_is_alive() -> None:
    assert this_process().pid == os.getpid()
    assert not is_dead(this_process())


def test_owner_in_another_process_is_alive_while_it_runs() -> None:
    with process_with_owner() as (_, owner):
        assert not is_dead(owner)


def test_killed_process_is_dead_before_and_after_it_is_collected() -> None:
    with process_with_owner() as (process, owner):
        os.kill(process.pid, signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert is_dead(owner)
        process.wait()
        assert is_dead(owner)


def test_reused_process_id_is_another_process() -> None:
    with process_with_owner() as (_, owner):
        assert is_dead(msgspec.structs.replace(owner, started=owner.started - 1))


def test_earlier_boot_of_the_same_host_is_dead() -> None:
    assert is_dead(msgspec.structs.replace(this_process(), boot="earlier"))


def test_other_host_cannot_be_judged() -> None:
    assert not is_dead(msgspec.structs.replace(this_process(), host="elsewhere", boot="earlier", pid=1, started=0))
