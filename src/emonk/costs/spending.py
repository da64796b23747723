"""What an agent spends against its budgets: read from the bill, and kept up to date while its calls are under way."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from weakref import WeakValueDictionary

from emonk.clock import Clock
from emonk.costs.account import CERTAIN, Account, Guess, Key
from emonk.costs.budgets import Budgets, keys
from emonk.costs.lengths import Lengths
from emonk.costs.period import EVER
from emonk.errors import BudgetExceeded
from emonk.store.usage_protocol import UsageStore

READ_AGAIN = 1.0
"""Seconds for which a turn takes over what was read: so late is seen what other processes spend."""

LONG_TURN = 30.0
"""Seconds after which a turn reads anew before its next call."""

_KEPT = 1000
"""Accounts that are kept though no turn has them now, the last used of them."""

_TOLD = 10_000
"""Budgets of which it is known that people were told."""

Tell = Callable[[Account], None]
"""Lets people know that a budget is nearly used up."""


class Reserved:
    """The estimate of a call that is under way."""

    __slots__ = ("_accounts", "estimate")

    def __init__(self, accounts: Sequence[Account], estimate: Decimal) -> None:
        self._accounts = accounts
        self.estimate = estimate
        for account in accounts:
            account.reserve(estimate)

    def settle(self, cost: Decimal | None) -> None:
        """The call has ended; a cost that nobody knows counts as estimated."""
        for account in self._accounts:
            account.settle(self.estimate, self.estimate if cost is None else cost)


class Spending:
    """The accounts of an agent, shared by all of its turns in this process.

    Attributes:
        refused: how often turns were refused a call by their own limit since the last answer.
    """

    def __init__(self, agent: str, budgets: Budgets, store: UsageStore, clock: Clock) -> None:
        self._agent = agent
        self._store = store
        self._reading: dict[Key, asyncio.Task[None]] = {}
        self._accounts: WeakValueDictionary[Key, Account] = WeakValueDictionary()
        self._kept: dict[Key, Account] = {}
        self._told: dict[Key, None] = {}
        self._lengths: dict[str, Lengths] = {}
        self.budgets = budgets
        self.clock = clock
        self.refused = 0

    def accounts(self, session_id: str, user_id: str) -> list[Account]:
        """Those that a call counts for now."""
        return [self._account(*one) for one in keys(self.budgets, session_id, user_id, self.clock.time())]

    async def read(self, accounts: Iterable[Account], older: float) -> None:
        """See in the bill what was spent, where that is not known or so many seconds old.

        Raises:
            InfraError, ConfigError: the store cannot be read.
        """
        now = self.clock.monotonic()
        for account in accounts:
            if account.read_at is None or now - account.read_at >= older:
                await self._read(account)

    def lengths(self, spec: str) -> Lengths:
        """How long answers of a model are."""
        return self._lengths.get(spec) or self._lengths.setdefault(spec, Lengths())

    def learn(self, spec: str, output: int) -> None:
        """An answer had so many tokens."""
        self.lengths(spec).learn(output)
        self.refused = 0

    def first_time(self, key: Key) -> bool:
        """Whether people were not yet told of a budget in its period."""
        if key in self._told:
            return False
        if len(self._told) >= _TOLD:
            del self._told[next(iter(self._told))]
        self._told[key] = None
        return True

    def _account(self, key: Key, limit: Decimal) -> Account:
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = Account(key, limit)
        self._kept.pop(key, None)
        self._kept[key] = account
        if len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]
        return account

    async def _read(self, account: Account) -> None:
        """One reading at a time; whoever comes meanwhile waits for it, also when its own caller is cancelled."""
        task = self._reading.get(account.key)
        if task is None:
            task = self._reading[account.key] = asyncio.create_task(
                account.read(self._store, self._agent, self.clock.time(), self.clock.monotonic())
            )
            task.add_done_callback(lambda read: self._has_read(account.key, read))
        await asyncio.shield(task)

    def _has_read(self, key: Key, read: "asyncio.Task[None]") -> None:
        self._reading.pop(key, None)
        if not read.cancelled():
            read.exception()  # which is told to those who still wait for it


class TurnBudget:
    """The accounts of one turn: its own limit, and those that it shares with others."""

    def __init__(
        self, spending: Spending, session_id: str, user_id: str, *, limit: Decimal | None, spent: Decimal, tell: Tell
    ) -> None:
        """Nothing is read yet.

        Args:
            spending: of the agent.
            session_id: of the turn.
            user_id: whose message it is.
            limit: what the turn may cost, in USD.
            spent: what it has cost before it was taken up again.
            tell: lets people know that a budget is nearly used up.
        """
        self._spending = spending
        self._session_id = session_id
        self._user_id = user_id
        self._tell = tell
        self._shared: list[Account] = []
        self._began = True
        self._own = [] if limit is None else [Account(Key("usd", session_id, EVER), limit)]
        self._told_own = False
        for account in self._own:
            account.spent, account.refused = spent, spending.refused

    async def prepare(self) -> None:
        """Know what is spent, before a call.

        Raises:
            InfraError, ConfigError: the store cannot be read.
        """
        if self._spending.budgets:
            self._shared = self._spending.accounts(self._session_id, self._user_id)
            older, self._began = READ_AGAIN if self._began else LONG_TURN, False
            await self._spending.read(self._shared, older)

    def reserve(self, estimate: Decimal | None, guess: Guess = CERTAIN) -> Reserved:
        """Take the estimate of a call that leaves now.

        Args:
            estimate: in USD; None where no price is known, which counts for nothing.
            guess: the part of it that rests on how long answers were so far.

        Raises:
            BudgetExceeded: it would cost more than is left in one of the budgets.
        """
        if self._spending.budgets:
            self._shared = self._spending.accounts(self._session_id, self._user_id)  # midnight may have passed
        accounts = [*self._own, *self._shared]
        try:
            for account in accounts:
                account.check(estimate or Decimal(0), guess)
        except BudgetExceeded:
            for account in self._own:  # a turn is over with that; the next ones go on from here
                self._spending.refused = account.refused
            raise
        return Reserved(accounts, estimate or Decimal(0))

    def lengths(self, spec: str) -> Lengths:
        """See `Spending.lengths`."""
        return self._spending.lengths(spec)

    def learn(self, spec: str, output: int) -> None:
        """See `Spending.learn`."""
        self._spending.learn(spec, output)

    def warn(self) -> None:
        """Tell of the budgets that are nearly used up, once in each period."""
        for account in (*self._own, *self._shared):
            if account.is_low:
                self._warn(account)

    def _warn(self, account: Account) -> None:
        first = not self._told_own if account in self._own else self._spending.first_time(account.key)
        self._told_own = self._told_own or account in self._own
        if first:
            self._tell(account)
