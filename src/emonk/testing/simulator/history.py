"""What happened in a run, in order: by what is in here the run is judged."""

import re
from collections.abc import Iterator, Sequence
from typing import Literal, TypeVar

import msgspec

from emonk.events import Event, Logged
from emonk.messages import Message
from emonk.records import Effect, Reply, SessionKey, UsageRow
from emonk.resilience.breaker_events import CircuitState
from emonk.resilience.section import ComponentSection
from emonk.testing.simulator.schedule import Schedule

R = TypeVar("R", bound="Record")
Blame = Literal["", "provider", "answer"]

_MADE_UP = re.compile(r"_?[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


class Where(msgspec.Struct, frozen=True):
    """`at` seconds after the start, in a session, on behalf of a message, in an instance of the agent."""

    at: float
    session: str = ""
    message_id: str = ""
    instance: int = 0


class Record(msgspec.Struct, frozen=True):
    """Something that happened."""

    where: Where

    @property
    def at(self) -> float:
        return self.where.at

    @property
    def message_id(self) -> str:
        return self.where.message_id

    def told(self) -> str:
        """What happened, in a few words."""
        return type(self).__name__.lower()

    def line(self) -> str:
        """One line for people, the same in each replay: what was made up by chance is left out."""
        where = self.where
        who = where.message_id or where.session or "-"
        return same_each_time(f"{where.at:9.3f}  {where.instance} {who:6} {self.told()}")


class Said(Record, frozen=True, kw_only=True):
    """A user's message was handed to an instance."""

    def told(self) -> str:
        return "says"


class Answered(Record, frozen=True, kw_only=True):
    """A caller got a reply."""

    reply: Reply

    def told(self) -> str:
        reply = self.reply
        return f"gets {reply.status} {reply.reason} in {reply.steps} steps: {_short(reply.text)}"


class Refused(Record, frozen=True, kw_only=True):
    """A caller got an exception, or its task was cancelled (then `error` is empty)."""

    error: str

    def told(self) -> str:
        return f"gets {_short(self.error)}" if self.error else "is gone"


class Enqueued(Record, frozen=True, kw_only=True):
    """A message was handed over without waiting for its reply."""

    accepted: bool

    def told(self) -> str:
        return "is accepted for later" if self.accepted else "is not accepted for later"


class Happened(Record, frozen=True, kw_only=True):
    """The world around the agent changed."""

    what: str

    def told(self) -> str:
        return self.what


class Up(Record, frozen=True, kw_only=True):
    """An instance has started on a host, or begins to stop."""

    host: int
    up: bool

    def told(self) -> str:
        return f"{'is up' if self.up else 'stops'} on host {self.host}"


class Crashed(Record, frozen=True, kw_only=True):
    """An instance was killed right after a step, such as `write answer done`."""

    after: str

    def told(self) -> str:
        return f"is killed after: {self.after}"


class Acknowledged(Record, frozen=True, kw_only=True):
    """A caller was told that the message is durable."""

    def told(self) -> str:
        return "is accepted"


class Leased(Record, frozen=True, kw_only=True):
    """The store granted a lease, whether or not anybody will hear of it."""

    fence: int

    def told(self) -> str:
        return f"is leased {self.fence}"


class Wrote(Record, frozen=True, kw_only=True):
    """The store took a write under a lease.

    Attributes:
        finished: names the message whose turn it ends.
        released: the lease was given back with it.
    """

    fence: int
    events: tuple[Event, ...] = ()
    finished: str = ""
    released: bool = False

    def told(self) -> str:
        what = ", ".join(type(event).__name__ for event in self.events) or "nothing more"
        return f"has written under lease {self.fence}: {what}{f', ends {self.finished}' if self.finished else ''}"


class Granted(Record, frozen=True, kw_only=True):
    """An instance got the turn of a message, with so many answers of models in its log."""

    fence: int
    resumed: bool
    answers: int = 0

    def told(self) -> str:
        return f"{'resumes' if self.resumed else 'begins'} under lease {self.fence}"


class Sent(Record, frozen=True, kw_only=True):
    """A request reached the provider, or set out for it. `number` counts all of a run."""

    number: int
    model: str
    messages: tuple[Message, ...]
    fault: str

    def told(self) -> str:
        return f"asks {self.model} #{self.number}, {len(self.messages)} messages: {self.fault or 'well'}"


class Came(Record, frozen=True, kw_only=True):
    """A request ended for the one who sent it.

    Attributes:
        error: the class of what it raised; empty when it was answered.
        final: a human must act.
        hint: seconds that the provider asked to wait.
        shown: text had come before it failed.
        blame: the provider failed, or gave an answer that the adapter made nothing of; empty where it did neither.
    """

    number: int
    model: str
    outcome: str = ""
    error: str = ""
    final: bool = False
    hint: float | None = None
    shown: bool = False
    blame: Blame = ""

    def told(self) -> str:
        hint = "" if self.hint is None else f", try again in {self.hint:g} s"
        shown = ", after its first words" if self.shown and self.error else ""
        return f"#{self.number} {self.error or self.outcome}{hint}{shown}"


class Circuit(Record, frozen=True, kw_only=True):
    """The breaker of a model changed, refused a call, or was asked for a pause.

    Attributes:
        kind: as in `BreakerEvent`.
        state: after it.
        wait: seconds until the next call, as the breaker reckons.
    """

    model: str
    kind: Literal["state", "refused", "cool_down"]
    state: CircuitState
    wait: float
    reason: str

    def told(self) -> str:
        what = {"state": f"is {self.state}", "refused": "refuses", "cool_down": "pauses"}[self.kind]
        return f"circuit of {self.model} {what}, {self.wait:.3f} s: {self.reason}"


class ToolBegan(Record, frozen=True, kw_only=True):
    """A tool was entered; `arguments` are its canonical ones, as JSON, and `key` the effect's if it is one."""

    call_id: str
    tool: str
    arguments: str = ""
    idempotent: bool
    risk: str
    fault: str
    key: str = ""

    def told(self) -> str:
        return f"runs {self.tool} for {self.call_id}: {self.fault or 'well'}"


class ToolActed(Record, frozen=True, kw_only=True):
    """A tool did outside what it is there for."""

    call_id: str
    tool: str
    idempotent: bool
    key: str = ""

    def told(self) -> str:
        return f"{self.tool} acts for {self.call_id}"


class ToolLeft(Record, frozen=True, kw_only=True):
    """A tool ended; `error` and the rest as in `Came`."""

    call_id: str
    tool: str
    error: str = ""
    final: bool = False
    unknown: bool = False
    hint: float | None = None

    def told(self) -> str:
        hint = "" if self.hint is None else f", try again in {self.hint:g} s"
        return f"{self.tool} for {self.call_id} {self.error or 'returns'}{hint}"


class Looked(Record, frozen=True, kw_only=True):
    """The remote was asked whether an effect happened."""

    key: str
    tool: str
    found: str

    def told(self) -> str:
        return f"looks for {self.tool}: {self.found}"


class Noted(Record, frozen=True, kw_only=True):
    """emonk wrote a line into its log."""

    level: str
    text: str

    def told(self) -> str:
        return f"log {self.level}: {_short(self.text)}"


class Kept(msgspec.Struct, frozen=True):
    """A message as the store has it: accepted, and its reply."""

    session: str
    message_id: str
    reply: Reply | None


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How things were when everything had come to rest.

    Attributes:
        kept: every accepted message, in the order of acceptance.
        logs: the log of each session.
        effects: the ledger of effects.
        rows: the bill.
        leases: sessions whose lease is still held.
        leftovers: tasks, permits and whatever else is still there, in words.
        settled: nothing was unfinished when the wait for it ended.
    """

    kept: Sequence[Kept]
    logs: dict[SessionKey, Sequence[Logged]]
    leases: Sequence[str]
    effects: Sequence[Effect] = ()
    rows: Sequence[UsageRow] = ()
    leftovers: Sequence[str]
    settled: bool


class History(msgspec.Struct, kw_only=True):
    """A whole run.

    Attributes:
        limit: seconds that the agent allows a turn.
        models: the agent's, by what a configuration calls them.
        reconciled: its tools of which the remote can be asked whether they acted.
        resilience: what the agent sets for the calls of models.
        stuck: why the run could not go on to its end; empty when it could.
        seconds: virtual time that it took.
    """

    schedule: Schedule
    limit: float
    records: list[Record]
    models: Sequence[str] = ()
    reconciled: Sequence[str] = ()
    resilience: ComponentSection = ComponentSection()
    ended: Ended | None = None
    stuck: str = ""
    seconds: float = 0.0

    def of(self, kind: type[R]) -> Iterator[R]:
        """The records of one kind, in order."""
        return (record for record in self.records if isinstance(record, kind))

    def lines(self) -> Iterator[str]:
        """What happened, for people."""
        return (record.line() for record in self.records)


def same_each_time(line: str) -> str:
    """The line without what was made up by chance, so that it is the same in each replay."""
    return _MADE_UP.sub("…", line)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 100 else f"{line[:99]}…"
