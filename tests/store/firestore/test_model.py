"""Any order of calls on Firestore gives what the reference gives."""

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from emonk.testing.firestore import Emulator
from tests.store.machine import SETTINGS, StoreMachine


def test_firestore_against_reference(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", emulator.host)

    class FirestoreMachine(StoreMachine):
        def empty(self) -> str:
            return emulator.new_database()

    run_state_machine_as_test(FirestoreMachine, settings=settings(SETTINGS, max_examples=8, stateful_step_count=30))
