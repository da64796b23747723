"""Who holds a lease, and how to see on the same machine that the holder is gone.

Whoever claims sessions enlists once and retires when it stops. A holder that was killed is recognised
by its process: the same host, but another boot, no such process, or one that started at another time.
What cannot be told (another host, another container) counts as alive; the lease's expiry settles it.
"""

import os
import socket
import sys
from functools import cache
from pathlib import Path

import msgspec

from emonk.ids import uuid7
from emonk.records import Owner

_PROC = Path("/proc")
_MACHINE_ID = Path("/etc/machine-id")
_INITIAL_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO of Linux: not inside a container
_live: set[str] = set()


def this_process() -> Owner:
    """This process as an owner without a token: it lives as long as the process."""
    return _process(os.getpid())


def enlist() -> Owner:
    """A new holder of leases in this process; it counts as dead once it is retired."""
    owner = msgspec.structs.replace(this_process(), token=uuid7())
    _live.add(owner.token)
    return owner


def retire(owner: Owner) -> None:
    """The holder stops: whatever it still holds may be taken over at once."""
    _live.discard(owner.token)


def is_dead(owner: Owner) -> bool:
    """Whether the holder certainly does not run any more; False when that cannot be told from here."""
    here = this_process()
    if owner.host != here.host:
        return False
    if owner.boot != here.boot:
        return True
    if (owner.pid, owner.started) == (here.pid, here.started):
        return bool(owner.token) and owner.token not in _live
    return not _runs(owner.pid, owner.started)


@cache
def _process(pid: int) -> Owner:
    boot = _boot_id()
    return Owner(host=_host(boot), boot=boot, pid=pid, started=_started(pid) or 0, token="")


def _host(boot: str) -> str:
    """Equal only for processes that see each other's process ids.

    Containers of one image may share a machine id, and even a host name, on machines that know nothing of each
    other; so inside one, the host is this boot's process namespace, and only there.
    """
    name = socket.gethostname()
    if not sys.platform.startswith("linux"):
        return f"{name}/{_hardware_address():x}"
    machine, namespace = _read(_MACHINE_ID), _process_namespace()
    if not boot or not namespace:
        return uuid7()
    if machine and namespace == _INITIAL_PID_NAMESPACE:
        return f"{machine}/{name}"
    return f"{machine}/{name}/{boot}/{namespace}"


def _hardware_address() -> int:
    from uuid import getnode  # noqa: PLC0415 - not needed on Linux

    return getnode()


def _boot_id() -> str:
    return _read(_PROC / "sys/kernel/random/boot_id")


def _process_namespace() -> str:
    try:
        return str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return ""


def _runs(pid: int, started: int) -> bool:
    seen = _started(pid)
    return _exists(pid) if seen is None else seen == started


def _started(pid: int) -> int | None:
    """Clock ticks from boot to the process's start (proc(5), `stat` field 22); None where it cannot be read.

    A process that has ended and only waits to be collected counts as never started.
    """
    stat = _read(_PROC / str(pid) / "stat")
    if not stat:
        return None
    fields = stat.rpartition(")")[2].split()
    return -1 if fields[0] in "ZX" else int(fields[19])


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
