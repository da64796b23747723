"""What every store must do, as checks that a backend of your own can run.

    import asyncio, pytest
    from emonk.testing.store_conformance import CHECKS, name_of, run

    @pytest.mark.parametrize("check", CHECKS, ids=name_of)
    def test_my_store_conforms(check, tmp_path):
        asyncio.run(run(check, lambda clock: my_connect(tmp_path / "database", clock=clock)))

The function given to `run` opens one more holder of the same database, which is empty at first, on the clock it is
handed. A check that fails raises `ConformanceError`, an `AssertionError` that says what was expected.
"""

from emonk.testing.store_conformance import inbox, leases, listing, log, memory, records, sessions, usage
from emonk.testing.store_conformance.rig import Check, ConformanceError, Connect, Rig

CHECKS: tuple[Check, ...] = (
    *inbox.CHECKS,
    *leases.CHECKS,
    *log.CHECKS,
    *listing.CHECKS,
    *sessions.CHECKS,
    *records.CHECKS,
    *usage.CHECKS,
    *memory.CHECKS,
)

__all__ = ["CHECKS", "Check", "ConformanceError", "Connect", "Rig", "name_of", "run"]


async def run(check: Check, connect: Connect) -> None:
    """Run one check on a new database, and close what it opened.

    Raises:
        ConformanceError: the store does not do what the protocol says.
    """
    rig = Rig(connect)
    try:
        await check(rig)
    finally:
        await rig.aclose()


def name_of(check: Check) -> str:
    """The check's name, for a test's id."""
    return getattr(check, "__name__", repr(check))
