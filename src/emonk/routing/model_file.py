"""The file of a trained classifier: a line that names its format and version, a SHA-256 digest, and its parameters.

The parameters are MessagePack; words lie in one text with a line for each, their numbers in single precision.
"""

import os
import sys
from array import array
from collections.abc import Iterator, Sequence
from hashlib import sha256
from math import isfinite
from pathlib import Path

import msgspec

from emonk.errors import InvalidConfig
from emonk.routing.features import NAMES
from emonk.routing.prior import SIGNS, Sign
from emonk.routing.trees import Tree
from emonk.routing.wording import Table, Wording

VERSION = 3
MAGIC = b"emonk router model "
MOST = 16_000_000
"""Bytes of the largest file that is read; a usual one has 1 to 4 million."""

_HINT = "`emonk router train` writes one"
_DIGEST = 32


class Parameters(msgspec.Struct, frozen=True):
    """All that a classifier knows.

    Attributes:
        rows: prompts it was trained on.
        mean: of the target.
        signs: what is thought of each of `emonk.routing.prior.SIGNS`.
        threshold: the score from which on a prompt goes to the lead.
    """

    rows: int
    mean: float
    signs: list[Sign]
    wording: Wording
    trees: list[Tree]
    threshold: float = 0.0


class _Columns(msgspec.Struct, frozen=True):
    names: bytes
    said: bytes
    squares: bytes


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    features: list[str]
    rows: int
    mean: float
    signs: list[Sign]
    threshold: float
    terms: _Columns
    words: _Columns
    pieces: _Columns
    trees: list[Tree]


def write_model(parameters: Parameters, path: str | os.PathLike[str]) -> None:
    """Write the file in whole; what was there stays if that fails.

    Raises:
        InvalidConfig: it cannot be written.
    """
    target = Path(path)
    try:
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            beside.write_bytes(encode_model(parameters))
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise InvalidConfig(f"{target}: the model cannot be written: {_why(error)}") from error


def read_model(path: str | os.PathLike[str]) -> Parameters:
    """Read the file.

    Raises:
        InvalidConfig: it is not there, no such file, damaged, or of another version.
    """
    source = Path(path)
    try:
        if not source.is_file():
            missing = "is no file" if source.exists() else "is not there"
            raise InvalidConfig(f"{source}: the model of a router {missing}", hint=_HINT)
        if source.stat().st_size > MOST:
            raise InvalidConfig(f"{source} is larger than the model of a router can be", hint=_HINT)
        data = source.read_bytes()
    except (OSError, ValueError) as error:
        raise InvalidConfig(f"{source}: the model cannot be read: {_why(error)}", hint=_HINT) from error
    return decode_model(data, str(source))


def encode_model(parameters: Parameters) -> bytes:
    """The bytes of the file: the same parameters give the same ones."""
    wording = parameters.wording
    body = _Body(
        features=list(NAMES),
        rows=parameters.rows,
        mean=parameters.mean,
        signs=parameters.signs,
        threshold=parameters.threshold,
        terms=_columns(wording.terms),
        words=_columns(wording.words),
        pieces=_columns(wording.pieces),
        trees=parameters.trees,
    )
    packed = msgspec.msgpack.encode(body)
    return MAGIC + b"%d\n" % VERSION + sha256(packed).digest() + packed


def decode_model(data: bytes, name: str) -> Parameters:
    """The parameters in the bytes of a file of that name.

    Raises:
        InvalidConfig: as `read_model`.
    """
    head, _, rest = data.partition(b"\n")
    if not head.startswith(MAGIC):
        raise InvalidConfig(f"{name} is not the model of a router", hint=_HINT)
    if head != MAGIC + b"%d" % VERSION:
        version = head[len(MAGIC) :][:20].decode("ascii", "replace")
        raise InvalidConfig(f"{name} has version {version}, not {VERSION}", hint="train it anew: `emonk router train`")
    packed = rest[_DIGEST:]
    if sha256(packed).digest() != rest[:_DIGEST]:
        raise InvalidConfig(f"{name} is damaged: its digest is another", hint="train it anew, or copy it again")
    try:
        return _parameters(msgspec.msgpack.decode(packed, type=_Body))
    except (msgspec.MsgspecError, ValueError) as error:
        raise InvalidConfig(f"{name} is no model that can be used: {error}", hint=_HINT) from error


def _parameters(body: _Body) -> Parameters:
    if tuple(body.features) != NAMES:
        raise ValueError("it was made of other features")
    signs = [number for sign in body.signs for number in (sign.usual, sign.spread, sign.adds)]
    if len(body.signs) != len(SIGNS) or min(sign.spread for sign in body.signs) <= 0:
        raise ValueError("its signs are others")
    if not all(map(isfinite, (body.mean, body.threshold, *signs))):
        raise ValueError("a number of it is not finite")
    for tree in body.trees:
        _check(tree)
    return Parameters(
        rows=body.rows,
        mean=body.mean,
        signs=body.signs,
        wording=Wording(terms=_table(body.terms), words=_table(body.words), pieces=_table(body.pieces)),
        trees=body.trees,
        threshold=body.threshold,
    )


def _check(tree: Tree) -> None:
    """Each split leads on to later nodes, so that every way through it ends."""
    if not tree:
        raise ValueError("a tree of it is empty")
    for place, node in enumerate(tree):
        ends = node.feature < 0
        leads = place < node.low < len(tree) and place < node.high < len(tree)
        if not (isfinite(node.value) and isfinite(node.bound)) or node.feature >= len(NAMES) or not (ends or leads):
            raise ValueError("a tree of it is broken")


def _columns(table: Table) -> _Columns:
    names = "\n".join(table).encode("utf-8", "surrogatepass")
    return _Columns(names, _packed([one.real for one in table.values()]), _packed([one.imag for one in table.values()]))


def _table(columns: _Columns) -> Table:
    names = columns.names.decode("utf-8", "surrogatepass").split("\n") if columns.names else []
    entries = zip(names, _unpacked(columns.said), _unpacked(columns.squares), strict=True)
    table = {name: complex(said, square) for name, said, square in entries}
    if any(one.imag < 0 for one in table.values()):
        raise ValueError("a length of it is below 0")
    return table


def _packed(values: Sequence[float]) -> bytes:
    numbers = array("f", values)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def _unpacked(data: bytes) -> Iterator[float]:
    numbers = array("f")
    numbers.frombytes(data)
    if sys.byteorder == "big":
        numbers.byteswap()
    values = numbers.tolist()
    if not all(map(isfinite, values)):
        raise ValueError("a number of it is not finite")
    return iter(values)


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
