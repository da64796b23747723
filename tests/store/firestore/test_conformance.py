"""Firestore does what every store must do."""

import asyncio

import pytest

from emonk.store.connect import connect
from emonk.testing.store_conformance import CHECKS, Check, name_of, run


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_firestore_conforms(check: Check, firestore: str) -> None:
    asyncio.run(run(check, lambda clock: connect(firestore, clock=clock)))
