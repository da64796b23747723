"""Small changes of emonk's own code that lose, repeat or delay something only when an instance is killed."""

from emonk.effects import sender
from emonk.runtime import session_queue, sessions, turn
from emonk.testing import memory_session
from tests.testing.mutants import Plant, rewritten

CRASH_MUTANTS: dict[str, tuple[str | set[str], Plant]] = {
    "a call that must not be repeated runs again when its turn is resumed": (
        {"no call acts twice", "the log is well formed"},
        rewritten(turn.Turn, "_settle", " and self._repeatable(call)", ""),
    ),
    "the answer is not durable before its calls run": (
        {"no call acts twice", "no effect happens twice", "every message gets its reply"},
        rewritten(
            turn.Turn,
            "_step",
            "        await self._journal.flush()\n    self._messages.append(answer",
            "    self._messages.append(answer",
        ),
    ),
    "what may have acted is told as never begun": (
        {"what acted is told", "no unknown outcome is retried"},
        rewritten(turn.Turn, "_settle", "_unknown(call)", "ToolResult(call.id, call.name, 'No.', 'not_run')"),
    ),
    "an effect that a crash cut is sent again without a look": (
        "no effect happens twice",
        rewritten(
            sender.EffectSender,
            "_recovered",
            "finding = await self._ask(plan, effect, sending)",
            "finding = NotHappened()",
        ),
    ),
    "an effect of which nobody knows is sent anew for the next message": (
        "what is unknown is not sent anew",
        rewritten(sender.EffectSender, "_open", "if self._ledger.earlier(plan.new):", "if False:"),
    ),
    "what was found outside is entered as refused": (
        "ledger and remote agree",
        rewritten(sender.EffectSender, "_found", "EffectState.DONE", "EffectState.REJECTED"),
    ),
    "the outside is not asked": (
        "what can be looked up is known",
        rewritten(sender, "ask", "if not tool.reconciles or THREADS.runs(effect.key):", "if True:"),
    ),
    "a claim takes the message out of the inbox": (
        {"every message gets its reply", "the log is well formed", "nothing hangs", "a living holder keeps its lease"},
        rewritten(
            memory_session.MemorySession,
            "claim",
            "resumed = item.revision is not None",
            "resumed = item.revision is not None; self._unfinished.pop(item.item.message_id) if resumed else None",
        ),
    ),
    "a turn that is over is given once more": (
        "a message is answered once",
        rewritten(
            memory_session.MemorySession,
            "commit",
            "self._unfinished.pop(made.message_id)",
            "(self._unfinished.pop if self.items[made.message_id].reply else self._unfinished.get)(made.message_id)",
        ),
    ),
    "a turn that is resumed begins anew": (
        {"no logged answer is asked for again", "no call acts twice"},
        rewritten(
            session_queue.SessionQueue,
            "_run",
            "journal.events[:] = claimed.events",
            "journal.events[:] = [one for one in claimed.events if type(one.event).__name__ == 'UserSaid']",
        ),
    ),
    "the lease of a turn that is resumed is not renewed": (
        {"a living holder keeps its lease", "no effect happens twice"},
        rewritten(
            session_queue.SessionQueue,
            "_run",
            "self._renewal.hold(journal,",
            "claimed.resumed or self._renewal.hold(journal,",
        ),
    ),
    "a dead holder is waited for on its own host": (
        "what was cut is taken up in time",
        rewritten(memory_session.MemorySession, "lapsed", " or self.is_dead(self.owner)", ""),
    ),
    "a turn that was begun is not looked for": (
        {"what was cut is taken up in time", "every message gets its reply", "nothing hangs"},
        rewritten(
            memory_session.MemorySession,
            "is_due",
            "self.next is not None",
            "self.next is not None and self.next.revision is None",
        ),
    ),
}
"""What is wrong, and the invariant that must be found broken, or one of those that may be found first."""

ACKNOWLEDGED_TOO_SOON = rewritten(
    sessions.Sessions, "deliver", "queue.join(caller)", "queue.join(caller); caller.accepted(_trace_id(item, None))"
)
"""A message is acknowledged before it is durable; nobody sees that but who does not ask again."""

FENCE_IGNORED = rewritten(
    memory_session.MemorySession, "_check_held", "if self.owner is None or self.fence != lease.fence:", "if False:"
)
"""A write under an earlier lease is taken; seen where it arrives after others took over, and before they write."""
