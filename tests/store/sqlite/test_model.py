"""Any order of calls on SQLite gives what the reference gives."""

import tempfile
from pathlib import Path

from tests.store.machine import SETTINGS, StoreMachine


class SqliteMachine(StoreMachine):
    def empty(self) -> str:
        self.directory = tempfile.TemporaryDirectory()
        return f"sqlite:///{Path(self.directory.name) / 'store.db'}"

    def teardown(self) -> None:
        super().teardown()
        self.directory.cleanup()


SqliteMachine.TestCase.settings = SETTINGS
TestSqliteAgainstReference = SqliteMachine.TestCase
