"""The databases that several processes can share, as the tests of the stores have them."""

from tests.store.conftest import cluster, database, emulator, firestore, url

__all__ = ["cluster", "database", "emulator", "firestore", "url"]
