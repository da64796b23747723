"""What a person found out about an effect of which nobody knew whether it happened."""

from emonk.clock import SYSTEM_CLOCK, Clock, timestamp
from emonk.effects.ledger import put_of
from emonk.effects.reconcile import NOT_DONE
from emonk.effects.state import Reason, move
from emonk.effects.unfinished import NAMESPACE, effect_of
from emonk.errors import Conflict
from emonk.records import Effect, EffectState
from emonk.store.record_protocol import RecordStore


async def settle(
    store: RecordStore, key: str, *, happened: bool, note: str = "", clock: Clock = SYSTEM_CLOCK
) -> Effect | None:
    """Write that an `unknown` effect happened, or did not; as it is then, None where there is none of that key.

    The conversation is not told.

    Args:
        store: where the ledger is.
        key: the effect's.
        happened: whether the outside has it.
        note: what to keep as its result, or as the reason why it did not happen.
        clock: what tells the time.

    Raises:
        Conflict: it is not `unknown`, or its row was changed meanwhile.
        InfraError: the store cannot be read or written.
    """
    record = await store.record(NAMESPACE, key)
    if record is None:
        return None
    effect = effect_of(record)
    if effect.state is not EffectState.UNKNOWN:
        raise Conflict(f"effect {key} is {effect.state}", hint="only one that is unknown waits for somebody to look")
    state = EffectState.DONE if happened else EffectState.REJECTED
    error = "" if happened else NOT_DONE
    settled = move(effect, state, timestamp(clock), reason=Reason.RECONCILED, content=note, error=error)
    await store.put([put_of(settled, record.version)])
    return settled
