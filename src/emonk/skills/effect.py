"""A tool as an effect: in whose name it acts on the outside, and how to find out whether it did."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import msgspec

from emonk.errors import InvalidArguments, InvalidConfig
from emonk.records import Effect
from emonk.skills.arguments import Parameters
from emonk.skills.threads import THREADS, contained

if TYPE_CHECKING:
    from emonk.skills.protocol import Context

ARGUMENTS_LIMIT = 400_000
"""Bytes of JSON: an effect's arguments are kept whole, in a record that may have 800,000."""

_GIVEN = ("effect", "ctx")
_RECONCILE = "write async def find(effect: Effect, ctx: Context)"

_INTEGRAL = 2.0**53
"""Below it every integral float is exactly one integer."""


class Happened(msgspec.Struct, frozen=True):
    """What a reconciliation found: the effect is there. `content` is the result that the tool would have returned."""

    content: str
    remote_id: str = ""


class NotHappened(msgspec.Struct, frozen=True):
    """What a reconciliation found: the effect is not there, and what was sent will not bring it about any more."""

    reason: str = ""


Finding = Happened | NotHappened | None
"""None is: not known."""

Reconcile = Callable[[Effect, "Context"], Awaitable[Finding] | Finding]
Account = str | Callable[[Mapping[str, Any]], str]


class Identity(msgspec.Struct, frozen=True):
    """What makes two calls of a tool the same: the account, and the arguments as JSON knows them, in one form."""

    account: str
    arguments: dict[str, Any]


class ToolEffect:
    """What the ledger needs of a tool.

    Attributes:
        find: looks at the outside for what the tool did; None when the tool has no such function.
    """

    def __init__(
        self,
        tool: str,
        account: Account | bool,
        parameters: Callable[[], Parameters],
        find: Reconcile | None = None,
    ) -> None:
        if account is not True and not callable(account) and not (isinstance(account, str) and account):
            raise InvalidConfig(
                f"tool {tool}: effect is {account!r}", hint="True, an account's name, or a function of the arguments"
            )
        self._tool = tool
        self._account: Account = "" if isinstance(account, bool) else account
        self._parameters = parameters
        self.find = find

    @property
    def reconciles(self) -> bool:
        """The outside can be asked."""
        return self.find is not None

    def blind(self) -> "ToolEffect":
        """The same effect of a tool that acts on nothing real: the outside is not asked about it."""
        return ToolEffect(self._tool, self._account or True, self._parameters)

    def identity(self, arguments: Mapping[str, Any]) -> Identity:
        """Validate the arguments, give those that were left out their defaults, and say in whose name the call acts.

        Raises:
            InvalidArguments: they do not fit, or are longer than `ARGUMENTS_LIMIT`.
            TypeError: the function that gives the account gave something else.
            Exception: as that function raises it.
        """
        parameters = self._parameters()
        values = _plain(msgspec.to_builtins(parameters.validate(arguments), enc_hook=str, order="deterministic"))
        whole: dict[str, Any] = _plain(parameters.defaults) | values
        if len(msgspec.json.encode(whole)) > ARGUMENTS_LIMIT:
            raise InvalidArguments(
                f"the arguments of {self._tool} are too long", hint=f"at most {ARGUMENTS_LIMIT} bytes of JSON"
            )
        return Identity(self._account_of(whole), whole)

    def _account_of(self, arguments: dict[str, Any]) -> str:
        account = self._account if isinstance(self._account, str) else self._account(arguments)
        if not isinstance(account, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"the account of {self._tool} is {type(account).__name__}, not a text")
        return account

    def register(self, find: Reconcile) -> None:
        """Take the function that looks at the outside.

        Raises:
            InvalidConfig: it cannot be called with an effect and a context.
        """
        try:
            signature = inspect.signature(find)
        except ValueError:  # some that are written in C do not tell theirs
            self.find = find
            return
        except TypeError as error:
            raise InvalidConfig(f"the reconcile function of {self._tool} is {find!r}", hint=_RECONCILE) from error
        try:
            signature.bind(*_GIVEN)
        except TypeError as error:
            count = len(signature.parameters)
            takes = f"takes {count} argument{'' if count == 1 else 's'}" if count != len(_GIVEN) else f"has {signature}"
            raise InvalidConfig(f"the reconcile function of {self._tool} {takes}", hint=_RECONCILE) from error
        self.find = find

    async def reconcile(self, effect: Effect, context: "Context") -> Finding:
        """Ask the tool's function; None when it has none. One that is no async function runs in a thread.

        Raises:
            TypeError: it returned something else.
            Exception: as the function raises it.
        """
        find = self.find
        if find is None:
            return None
        if inspect.iscoroutinefunction(find):
            found: object = await contained(find(effect, context))
        else:
            found = await THREADS.run(partial(find, effect, context))
            if inspect.isawaitable(found):
                found = await contained(cast("Awaitable[object]", found))
        match found:
            case None | NotHappened(reason=str()) | Happened(content=str(), remote_id=str()):
                return found
            case _:
                raise TypeError(
                    f"the reconcile function of {self._tool} returned {type(found).__name__}, or in it no text"
                )


def _plain(value: Any) -> Any:
    """In one form: a number is an integer where that is the same number."""
    match value:
        case float() if value.is_integer() and abs(value) < _INTEGRAL:
            return int(value)
        case dict():
            return {str(name): _plain(one) for name, one in cast("dict[Any, Any]", value).items()}
        case list() | tuple():
            return [_plain(one) for one in cast("list[Any]", value)]
        case _:
            return value
