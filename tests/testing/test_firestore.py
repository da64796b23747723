"""The Firestore emulator as tests start it."""

import subprocess
import sys

from emonk.testing.firestore import missing
from tests.requirements import skip_without

CODE = """
from emonk.testing.firestore import Emulator

emulator = Emulator()
emulator.start()
other = Emulator(emulator.port, emulator.pid)
emulator.leave()
del emulator
other.stop()
print("stopped")
"""


def test_one_that_is_left_to_another_process_is_not_told_as_forgotten() -> None:
    if reason := missing():
        skip_without("firestore", reason)
    command = [sys.executable, "-X", "dev", "-c", CODE]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.stdout, ended.stderr) == ("stopped\n", "")
