"""Where code serves several versions of Python or of a library: names there are bound for others, or to themselves."""

import ast
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TypeGuard

from emonk.agents.jr_engineer.review.checks.api import simple_name
from emonk.agents.jr_engineer.review.source import ChangedFile, parse

RULES = {"F401", "PLW0127"}
"""Unused imports and assignments of a name to itself."""
_MODULES = {"__init__.py", "compat.py", "_compat.py"}
_MISSING = {"ImportError", "ModuleNotFoundError"}
_VERSIONS = {"version_info", "hexversion", "PY2", "PY3"}


def serves_versions(file: ChangedFile, line: int) -> bool:
    """Whether the line is in such a module, under a version check, or in a `try` that provides for a missing import."""
    if PurePosixPath(file.path).name in _MODULES:
        return True
    return any(line in lines for lines in _guarded(file.head.text or ""))


@lru_cache(8)
def _guarded(text: str) -> tuple[range, ...]:
    """The lines of each; kept, because every finding of a file asks."""
    tree = parse(text)
    nodes = () if isinstance(tree, str) else ast.walk(tree)
    return tuple(range(node.lineno, (node.end_lineno or node.lineno) + 1) for node in nodes if _is_guard(node))


def _is_guard(node: ast.AST) -> TypeGuard[ast.Try | ast.If]:
    match node:
        case ast.Try(handlers=handlers):
            return any(_names(handler.type) & _MISSING for handler in handlers)
        case ast.If(test=test):
            return bool(_names(test) & _VERSIONS)
        case _:
            return False


def _names(node: ast.expr | None) -> set[str]:
    inner = ast.walk(node) if node is not None else ()
    return {simple_name(part) for part in inner if isinstance(part, ast.expr)}
