"""What a Python module defines for others: functions, classes and methods, from its syntax tree."""

import ast
import hashlib
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

_STUBS = {"overload", "abstractmethod", "setter", "deleter"}
_SHAPES = {"Protocol", "NamedTuple", "TypedDict"}
_Function = ast.FunctionDef | ast.AsyncFunctionDef
Kind = Literal["function", "method", "class"]


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """A function, method or class.

    Attributes:
        fingerprint: of the code, without docstrings, annotations and layout; of a class, without its methods.
        signature: parameters and defaults, without annotations; of a class, its bases.
        public: no part of the qualified name is private; constructors are public with their class.
        trivial: a stub, or so simple that a test would only say it again.
        decorators: the calls among its decorators, as trees.
    """

    qualname: str
    kind: Kind
    line: int
    end_line: int
    fingerprint: str
    signature: str
    public: bool
    trivial: bool
    decorators: tuple[ast.Call, ...] = ()

    @property
    def name(self) -> str:
        return self.qualname.rsplit(".", 1)[-1]

    @property
    def owner(self) -> str:
        """The class that a method belongs to."""
        return self.qualname.rpartition(".")[0]


def definitions(tree: ast.Module) -> dict[str, Definition]:
    """By qualified name; of several of one name, such as platform variants, the last, changed when any is."""
    found: dict[str, Definition] = {}
    for definition in _in_body(tree.body, ()):
        found[definition.qualname] = _merged(found.get(definition.qualname), definition)
    return found


def simple_name(node: ast.expr) -> str:
    """The last part of `a.b.name`, also when it is called or subscripted; empty for anything else."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=inner) | ast.Subscript(value=inner):
            return simple_name(inner)
        case _:
            return ""


def _merged(earlier: Definition | None, definition: Definition) -> Definition:
    if earlier is None:
        return definition
    return msgspec.structs.replace(definition, fingerprint=earlier.fingerprint + definition.fingerprint)


def _in_body(body: Sequence[ast.stmt], outer: tuple[str, ...]) -> Iterator[Definition]:
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                if not _STUBS & {simple_name(decorator) for decorator in node.decorator_list}:
                    yield _function(node, outer)
            case ast.ClassDef():
                yield _class(node, outer)
                if not _SHAPES & {simple_name(base) for base in node.bases}:
                    yield from _in_body(node.body, (*outer, node.name))
            case ast.If(body=first, orelse=other):
                yield from _in_body([*first, *other], outer)
            case ast.Try(body=first, handlers=handlers, orelse=other, finalbody=last):
                handled = [statement for handler in handlers for statement in handler.body]
                yield from _in_body([*first, *handled, *other, *last], outer)
            case _:
                pass


def _function(node: _Function, outer: tuple[str, ...]) -> Definition:
    name = node.name
    private = any(part.startswith("_") for part in outer) or (name.startswith("_") and name != "__init__")
    return Definition(
        qualname=".".join([*outer, name]),
        kind="method" if outer else "function",
        line=node.lineno,
        end_line=node.end_lineno or node.lineno,
        fingerprint=_fingerprint([node]),
        signature=_signature(node),
        public=not private,
        trivial=_is_trivial(node.body),
        decorators=tuple(decorator for decorator in node.decorator_list if isinstance(decorator, ast.Call)),
    )


def _class(node: ast.ClassDef, outer: tuple[str, ...]) -> Definition:
    own = [statement for statement in node.body if not isinstance(statement, _Function | ast.ClassDef)]
    bases = ", ".join(ast.unparse(base) for base in [*node.bases, *(keyword.value for keyword in node.keywords)])
    return Definition(
        qualname=".".join([*outer, node.name]),
        kind="class",
        line=node.lineno,
        end_line=node.end_lineno or node.lineno,
        fingerprint=_fingerprint([*node.bases, *node.decorator_list, *own]),
        signature=f"({bases})",
        public=not any(part.startswith("_") for part in (*outer, node.name)),
        trivial=all(_is_docstring(statement) or isinstance(statement, ast.Pass) for statement in node.body),
    )


def _signature(node: _Function) -> str:
    """Parameters with their defaults; annotations are no part of how a function is called."""
    found = node.args
    positional = [*found.posonlyargs, *found.args]
    defaults = [*[None] * (len(positional) - len(found.defaults)), *found.defaults]
    parts = [_parameter(argument, default) for argument, default in zip(positional, defaults, strict=True)]
    if found.posonlyargs:
        parts.insert(len(found.posonlyargs), "/")
    if found.vararg:
        parts.append(f"*{found.vararg.arg}")
    elif found.kwonlyargs:
        parts.append("*")
    pairs = zip(found.kwonlyargs, found.kw_defaults, strict=True)
    parts += [_parameter(argument, default) for argument, default in pairs]
    if found.kwarg:
        parts.append(f"**{found.kwarg.arg}")
    return f"({', '.join(parts)})"


def _parameter(argument: ast.arg, default: ast.expr | None) -> str:
    return argument.arg if default is None else f"{argument.arg}={ast.unparse(default)}"


def _is_trivial(body: Sequence[ast.stmt]) -> bool:
    code = [statement for statement in body if not _is_docstring(statement)]
    match code:
        case [] | [ast.Pass()] | [ast.Return(value=None | ast.Constant() | ast.Name())]:
            return True
        case [ast.Return(value=ast.Attribute(value=ast.Name()))]:
            return True
        case [ast.Raise(exc=ast.expr() as raised)]:
            return simple_name(raised) == "NotImplementedError"
        case _:
            return False


def _is_docstring(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant(value=value)):
            return isinstance(value, str) or value is ...
        case _:
            return False


def _fingerprint(nodes: Sequence[ast.AST]) -> str:
    digest = hashlib.sha256()
    for node in nodes:
        for word in _words(node):
            digest.update(word.encode("utf-8", "surrogatepass"))
            digest.update(b"\0")
    return digest.hexdigest()


def _words(node: ast.AST) -> Iterator[str]:
    """The tree in a line, without docstrings, annotations and positions."""
    if isinstance(node, ast.stmt) and _is_docstring(node):
        return
    yield type(node).__name__
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "type_comment", "ctx"}:
            continue
        yield field
        yield from _field_words(value)
    yield ")"


def _field_words(value: object) -> Iterator[str]:
    match value:
        case ast.AST():
            yield from _words(value)
        case list():
            for item in value:  # pyright: ignore[reportUnknownVariableType] - ast has lists of nodes and of names
                yield from _field_words(item)  # pyright: ignore[reportUnknownArgumentType] - the same
        case _:
            yield repr(value)
