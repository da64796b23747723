"""A breaker as one would tell it: it keeps every call for ever, and goes over them all whenever it is asked."""

from math import inf
from typing import NamedTuple


class Numbers(NamedTuple):
    """Settings that vary; those of time are small so that few steps see much."""

    failure_rate: float
    slow_rate: float
    slow_after: float
    min_calls: int
    max_open_for: float
    half_open_permits: int
    half_open_timeout: float
    window: float
    open_for: float
    jitter: float


class Ticket:
    """One call: when it began, in which spell, and how it ended."""

    def __init__(self, began: float, *, probe: bool) -> None:
        self.began = began
        self.probe = probe
        self.returned = False
        self.ended = inf
        self.end = ""

    def seconds(self) -> float:
        return self.ended - self.began

    def counts(self) -> bool:
        return self.end in ("success", "failure")


class Spell:
    """A time in one state, with the calls that began in it."""

    def __init__(self, state: str, since: float, until: float = inf) -> None:
        self.state = state
        self.since = since
        self.until = until
        self.tickets: list[Ticket] = []


class Reference:
    """The story of a breaker, one spell after the other; `now` is moved from outside."""

    def __init__(self, numbers: Numbers, now: float, chances: list[float]) -> None:
        self.numbers = numbers
        self.now = now
        self.chances = chances
        self.drawn = 0
        self.doublings = 0
        self.cool_until = -inf
        self.states: list[str] = []
        self.closed_since = -inf
        self.everything: list[Ticket] = []
        self.spell = Spell("closed", now)

    def begin(self) -> Ticket | None:
        if self.wait() > 0:
            return None
        ticket = Ticket(self.now, probe=self.spell.state == "half_open")
        self.spell.tickets.append(ticket)
        return ticket

    def end(self, ticket: Ticket, end: str) -> None:
        if ticket.returned:
            return
        ticket.returned = True
        self._pass()
        if end == "hint":
            self.cool_down(5.0)
        if ticket.end or ticket not in self.spell.tickets:
            return  # overdue, or of an earlier spell
        ticket.ended, ticket.end = self.now, end
        if self.spell.state == "half_open":
            self._judge_probes(self.now)
        elif ticket.counts():
            self.everything.append(ticket)
            self._judge_calls()

    def wait(self) -> float:
        self._pass()
        until = self.cool_until
        if self.spell.state == "open":
            until = max(until, self.spell.until)
        if self.spell.state == "half_open":
            out = [ticket.began for ticket in self.spell.tickets if not ticket.end]
            taken = len(out) + sum(ticket.counts() for ticket in self.spell.tickets)
            if taken == self.numbers.half_open_permits:
                until = max(until, max(out) + self.numbers.half_open_timeout)
        return max(0.0, until - self.now)

    def view(self) -> tuple[str, int, int, int]:
        """State, calls, failures, slow ones."""
        self._pass()
        seen = self._probes() if self.spell.state == "half_open" else self._young()
        return (self.spell.state, len(seen), len(self._failed(seen)), len(self._slow(seen)))

    def open(self, seconds: float) -> None:
        self._pass()
        self._forgive()
        self._begin(Spell("open", self.now, self.now + seconds))

    def reset(self) -> None:
        self._pass()
        self.doublings = 0
        self.cool_until = self.closed_since = -inf
        self.everything.clear()
        self._begin(Spell("closed", self.now))

    def cool_down(self, seconds: float) -> None:
        self._pass()
        if seconds:
            self.cool_until = max(self.cool_until, self.now + seconds)

    def _pass(self) -> None:
        """What happened since somebody last looked."""
        while True:
            spell = self.spell
            if spell.state == "open" and spell.until <= self.now:
                self._begin(Spell("half_open", spell.until))
            elif spell.state == "half_open":
                hung = [
                    ticket
                    for ticket in spell.tickets
                    if not ticket.end and ticket.began + self.numbers.half_open_timeout <= self.now
                ]
                if not hung:
                    return
                first = min(hung, key=lambda ticket: ticket.began)
                first.ended, first.end = first.began + self.numbers.half_open_timeout, "failure"
                self._judge_probes(first.ended)
            else:
                return

    def _probes(self) -> list[Ticket]:
        return [ticket for ticket in self.spell.tickets if ticket.counts()]

    def _young(self) -> list[Ticket]:
        """Calls of the last 60 s, a second being over when the next has begun."""
        return [ticket for ticket in self.everything if int(self.now) - int(ticket.ended) < self.numbers.window]

    def _failed(self, tickets: list[Ticket]) -> list[Ticket]:
        return [ticket for ticket in tickets if ticket.end == "failure"]

    def _slow(self, tickets: list[Ticket]) -> list[Ticket]:
        return [ticket for ticket in tickets if ticket.seconds() > self.numbers.slow_after]

    def _bad(self, tickets: list[Ticket]) -> bool:
        of_all = 1 / len(tickets)
        return (
            len(self._failed(tickets)) * of_all > self.numbers.failure_rate - 1e-9
            or len(self._slow(tickets)) * of_all > self.numbers.slow_rate - 1e-9
        )

    def _judge_calls(self) -> None:
        young = self._young()
        if len(young) >= self.numbers.min_calls and self._bad(young):
            self._forgive()
            self._open(self.now, exact=True)

    def _forgive(self) -> None:
        if self.spell.state == "closed" and self.now - self.closed_since >= self.numbers.window:
            self.doublings = 0

    def _judge_probes(self, at: float) -> None:
        probes = self._probes()
        if len(probes) < self.numbers.half_open_permits:
            return
        if self._bad(probes):
            self.doublings += 1
            self._open(at, exact=False)
        else:
            self.closed_since = at
            self.everything.clear()
            self._begin(Spell("closed", at))

    def _open(self, at: float, *, exact: bool) -> None:
        length = min(self.numbers.open_for * 2**self.doublings, self.numbers.max_open_for)
        if exact:
            self._begin(Spell("open", at, at + length))
            return
        chance = self.chances[self.drawn % len(self.chances)]
        self.drawn += 1
        self._begin(Spell("open", at, at + length * (1 + self.numbers.jitter * chance)))

    def _begin(self, spell: Spell) -> None:
        self.spell = spell
        self.states.append(spell.state)
