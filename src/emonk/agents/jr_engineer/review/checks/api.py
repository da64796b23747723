"""What a Python module defines for others: functions, classes and methods, from its syntax tree."""

import ast
import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Literal

_STUBS = {"overload", "abstractmethod", "setter", "deleter"}
_SHAPES = {"Protocol", "NamedTuple", "TypedDict"}
_Function = ast.FunctionDef | ast.AsyncFunctionDef
Kind = Literal["function", "method", "class"]


class Definition:
    """A function, method or class.

    Attributes:
        public: no part of the qualified name is private; constructors are public with their class.
        trivial: a stub, or so simple that a test would only say it again.
        decorators: the calls among its decorators, as trees.
    """

    def __init__(self, node: "_Function | ast.ClassDef", outer: tuple[str, ...], earlier: "Definition | None") -> None:
        self.qualname = ".".join([*outer, node.name])
        self.name = node.name
        self.owner = ".".join(outer)
        self.line = node.lineno
        self.end_line = node.end_lineno or node.lineno
        self.decorators = tuple(item for item in node.decorator_list if isinstance(item, ast.Call))
        self._node = node
        self._earlier = earlier

    @property
    def kind(self) -> Kind:
        if isinstance(self._node, ast.ClassDef):
            return "class"
        return "method" if self.owner else "function"

    @cached_property
    def public(self) -> bool:
        parts = self.qualname.removesuffix(".__init__").split(".")
        return not any(part.startswith("_") for part in parts)

    @property
    def trivial(self) -> bool:
        return _is_trivial(self._node.body)

    @cached_property
    def signature(self) -> str:
        """Parameters and defaults, without annotations; of a class, its bases."""
        if not isinstance(self._node, ast.ClassDef):
            return _signature(self._node)
        keywords = [keyword.value for keyword in self._node.keywords]
        return f"({', '.join(ast.unparse(base) for base in [*self._node.bases, *keywords])})"

    @cached_property
    def fingerprint(self) -> str:
        """Of the code, without docstrings, annotations and layout; of a class, without its methods."""
        node = self._node
        if isinstance(node, ast.ClassDef):
            own = [statement for statement in node.body if not isinstance(statement, _Function | ast.ClassDef)]
            code = _fingerprint([*node.bases, *node.decorator_list, *own])
        else:
            code = _fingerprint([node])
        return self._earlier.fingerprint + code if self._earlier else code

    @property
    def lines(self) -> list[tuple[int, int]]:
        """First and last line of every definition of this name."""
        first = min([self.line, *(decorator.lineno for decorator in self._node.decorator_list)])
        return [*(self._earlier.lines if self._earlier else []), (first, self.end_line)]


def definitions(tree: ast.Module) -> dict[str, Definition]:
    """By qualified name; of several of one name, such as platform variants, the last, changed when any is."""
    found: dict[str, Definition] = {}
    for node, outer in _in_body(tree.body, ()):
        definition = Definition(node, outer, found.get(".".join([*outer, node.name])))
        found[definition.qualname] = definition
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


def _in_body(
    body: Sequence[ast.stmt], outer: tuple[str, ...]
) -> Iterator[tuple[_Function | ast.ClassDef, tuple[str, ...]]]:
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                if not _STUBS & {simple_name(decorator) for decorator in node.decorator_list}:
                    yield node, outer
            case ast.ClassDef():
                yield node, outer
                if not _SHAPES & {simple_name(base) for base in node.bases}:
                    yield from _in_body(node.body, (*outer, node.name))
            case ast.If(body=first, orelse=other):
                yield from _in_body([*first, *other], outer)
            case ast.Try(body=first, handlers=handlers, orelse=other, finalbody=last):
                handled = [statement for handler in handlers for statement in handler.body]
                yield from _in_body([*first, *handled, *other, *last], outer)
            case _:
                pass


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
