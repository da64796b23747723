"""Web routes that a module answers: what its decorators and its route tables say."""

import ast
import re
from collections.abc import Iterable

from emonk.agents.jr_engineer.review.checks.api import Definition, simple_name

_DECORATORS = {
    "route", "get", "post", "put", "patch", "delete", "head", "options", "websocket", "api_route", "websocket_route",
}  # fmt: skip
_TABLES = {
    "Route", "WebSocketRoute", "APIRoute", "path", "re_path",
    "add_url_rule", "add_route", "add_api_route", "add_websocket_route",
}  # fmt: skip


_MENTION = re.compile(rf"\b({'|'.join(sorted(_TABLES))})\(")


def decorated_routes(definition: Definition) -> list[tuple[str, str]]:
    """Method and path of each route decorator, such as `@app.get("/items")`: `("GET", "/items")`."""
    return [
        (_method(call), path)
        for call in definition.decorators
        if isinstance(call.func, ast.Attribute) and call.func.attr in _DECORATORS
        for path in _path(call.args[:1])
        if path.startswith("/")
    ]


def routes(tree: ast.Module, text: str, defined: Iterable[Definition]) -> dict[str, int]:
    """Every route of a module, such as `GET /items` or only `/items`, with its line."""
    found = {f"{method} {path}".strip(): item.line for item in defined for method, path in decorated_routes(item)}
    for node in ast.walk(tree) if _MENTION.search(text) else ():
        if isinstance(node, ast.Call) and len(node.args) > 1 and simple_name(node.func) in _TABLES:
            found |= {f"{_table_method(node)} {path}".strip(): node.lineno for path in _path(node.args[:1])}
    return found


def _method(call: ast.Call) -> str:
    name = simple_name(call.func)
    return _table_method(call) if name in {"route", "api_route"} else name.upper().removesuffix("_ROUTE")


def _table_method(call: ast.Call) -> str:
    """What `methods=` says, such as `GET,POST`; empty where it says nothing."""
    given = [keyword.value for keyword in call.keywords if keyword.arg == "methods"]
    match given:
        case [ast.List(elts=methods) | ast.Tuple(elts=methods) | ast.Set(elts=methods)]:
            return ",".join(_word(method) for method in methods)
        case _:
            return ",".join(ast.unparse(value) for value in given)


def _word(method: ast.expr) -> str:
    return str(method.value).upper() if isinstance(method, ast.Constant) else ast.unparse(method)


def _path(arguments: list[ast.expr]) -> list[str]:
    match arguments:
        case [ast.Constant(value=str() as path)]:
            return [path]
        case _:
            return []
