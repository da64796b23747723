"""The temporary server."""

import subprocess
import sys

import pytest

from emonk.testing.postgres import programs
from tests.requirements import skip_without

CODE = """
import ctypes

FORKS = []
PREPARE = ctypes.CFUNCTYPE(None)(lambda: FORKS.append(1))
ctypes.CDLL(None).__register_atfork(PREPARE, None, None, None)

from emonk.testing.postgres import Cluster

with Cluster():
    print("forked" if FORKS else "spawned")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's own registration of fork handlers")
def test_a_server_starts_without_a_fork_handler_of_other_libraries() -> None:
    """That of gRPC, in a process that talks to Firestore, ends the child before it becomes the server's program."""
    if programs() is None:
        skip_without("postgres", "no initdb on PATH or in /usr/lib/postgresql")
    ended = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=120, check=False)
    assert (ended.stdout, ended.stderr) == ("spawned\n", "")
