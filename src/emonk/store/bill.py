"""Usage rows as stores keep them: one of each id, and money as whole numbers."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import get_args

import msgspec

from emonk.records import Usage, UsageRow
from emonk.store.limits import check_texts
from emonk.store.refusals import no_text
from emonk.store.usage_protocol import UsageFilter, UsageGroup, UsageTotal

_PLACES = 12
_HIGHEST = (1 << 63) - 1
_SURELY_KEPT = _HIGHEST // 10**_PLACES
_json = msgspec.json.Encoder()
_money = Context(prec=40, rounding=ROUND_HALF_EVEN)


def to_units(cost: Decimal | None) -> int | None:
    """A cost in units of 1e-12 USD.

    Raises:
        ValueError: it is no number, or none that can be kept.
    """
    if cost is None:
        return None
    try:
        scaled = _money.scaleb(cost, _PLACES)
        units = int(scaled)
        if units != scaled:
            units = int(_money.to_integral_value(scaled))
    except (InvalidOperation, ValueError, OverflowError):
        raise ValueError(f"A cost of {cost} USD cannot be kept") from None
    if abs(units) > _HIGHEST:
        raise ValueError(f"A cost of {cost} USD cannot be kept")
    return units


def to_usd(units: int | None) -> Decimal | None:
    """The cost of that many units, without zeros at its end."""
    if units is None:
        return None
    cost = _money.normalize(_money.scaleb(Decimal(units), -_PLACES))
    exponent = cost.as_tuple().exponent
    return cost.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else cost


def distinct(rows: Iterable[UsageRow]) -> tuple[UsageRow, ...]:
    """The row that remains of each id, in the order of the ids.

    Raises:
        ValueError: a cost cannot be kept.
        InvalidConfig: an id is no text.
    """
    kept: dict[str, UsageRow] = {}
    for row in rows:
        check_texts(
            f"{row.row_id}{row.agent}{row.session_id}{row.user_id}{row.trace_id}{row.purpose}{row.provider}"
            f"{row.model}{row.error}{row.message_id}{row.role}{row.lead}"
        )
        for cost in (row.cost_usd, row.estimate_usd):
            if cost is not None and not (cost.is_finite() and abs(cost) < _SURELY_KEPT):
                to_units(cost)
        earlier = kept.get(row.row_id)
        if earlier is None or replaces(row, earlier):
            kept[row.row_id] = row
    return tuple([kept[row_id] for row_id in sorted(kept)])


def replaces(row: UsageRow, earlier: UsageRow) -> bool:
    """Whether a row takes the place of an earlier one."""
    return row.state != "started" or earlier.state == "started"


def to_text(price: Mapping[str, str]) -> str:
    """The rates of a row as stores of tables keep them; empty where there are none.

    Raises:
        InvalidConfig: they hold half a character.
    """
    try:
        return _json.encode(price).decode() if price else ""
    except UnicodeEncodeError as error:
        raise no_text(error) from None


def to_price(text: str) -> dict[str, str]:
    """The rates that such a text says."""
    return msgspec.json.decode(text, type=dict[str, str]) if text else {}


def check_asked(wanted: UsageFilter, by: Sequence[UsageGroup] = (), before: str | None = None) -> None:
    """See that there can be an answer.

    Raises:
        ValueError: rows cannot be grouped by one of the words.
        InvalidConfig: one of the ids is no text.
    """
    ids = (wanted.agent, wanted.session_id, wanted.user_id, wanted.message_id, wanted.purpose, wanted.model, before)
    check_texts(*(text for text in ids if text is not None))
    unknown = sorted(set(by).difference(get_args(UsageGroup)))
    if unknown:
        raise ValueError(f"Usage is not grouped by {', '.join(unknown)}, only by {', '.join(get_args(UsageGroup))}")


def total(
    group: tuple[str, ...], counts: tuple[int, int, int, int], usage: Usage, units: int, estimated: int
) -> UsageTotal:
    """A total; the counts are calls, failed, unfinished, unpriced."""
    calls, failed, unfinished, unpriced = counts
    return UsageTotal(
        group=group,
        calls=calls,
        failed=failed,
        unfinished=unfinished,
        unpriced=unpriced,
        usage=usage,
        cost_usd=to_usd(units) or Decimal(0),
        estimated_usd=to_usd(estimated) or Decimal(0),
    )
