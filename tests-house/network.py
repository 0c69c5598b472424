"""Finds what may wait for another machine while a database transaction is open (spec 1.8)."""

import ast
from collections.abc import Iterator

from tree import Function

TRANSACTIONS = {"transaction", "step"}
CLIENT_SOURCES = {"client", "calls"}
CLIENT_TYPES = ("Client", "ClientSession")
TRANSACTION_TYPES = {"Tx", "Work"}


def calls_in_transactions(function: Function) -> Iterator[int]:
    """Lines inside `async with ...transaction():` that await something of a client, or hand a client on."""
    clients = _clients_of(function)
    for block in _transaction_blocks(function):
        for node in (inner for statement in block.body for inner in ast.walk(statement)):
            awaits = isinstance(node, ast.Await) and _comes_from_client(node.value, clients)
            hands_on = isinstance(node, ast.Call) and any(_is_network_client(one, clients) for one in node.args)
            if awaits or hands_on:
                yield node.lineno


def takes_both(function: Function) -> bool:
    """Whether it is handed an open transaction and a client."""
    annotated = [_annotation(argument) for argument in _arguments(function)]
    has_transaction = any(name in TRANSACTION_TYPES for name in annotated)
    return has_transaction and any(name.endswith(CLIENT_TYPES) for name in annotated)


def _transaction_blocks(function: Function) -> Iterator[ast.AsyncWith]:
    for node in ast.walk(function):
        if isinstance(node, ast.AsyncWith) and any(_is_call_of(item.context_expr, TRANSACTIONS) for item in node.items):
            yield node


def _clients_of(function: Function) -> set[str]:
    """Names that hold a client: by annotation, or because `.client(...)` or `.calls(...)` was assigned to them."""
    names = {one.arg for one in _arguments(function) if _annotation(one).endswith(CLIENT_TYPES)}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and _is_call_of(node.value, CLIENT_SOURCES):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def _comes_from_client(node: ast.AST, clients: set[str]) -> bool:
    """Whether a chain such as `call.client(Catalog).quote(...)` or `catalog.quote(...)` begins at a client."""
    while isinstance(node, ast.Call | ast.Attribute):
        if _is_call_of(node, CLIENT_SOURCES):
            return True
        node = node.func if isinstance(node, ast.Call) else node.value
    return isinstance(node, ast.Name) and node.id in clients


def _is_network_client(node: ast.AST, clients: set[str]) -> bool:
    """An argument that is a client by its name or type. A client that only computes is not called one."""
    if isinstance(node, ast.Call) and _is_call_of(node, CLIENT_SOURCES) and node.args:
        return _last_word(node.args[0]).endswith(CLIENT_TYPES)
    return isinstance(node, ast.Name) and node.id in clients


def _is_call_of(node: ast.AST, names: set[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names


def _arguments(function: Function) -> list[ast.arg]:
    return [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]


def _annotation(argument: ast.arg) -> str:
    return _last_word(argument.annotation)


def _last_word(node: ast.AST | None) -> str:
    """`Tx` of `Tx` and of `db.Tx`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
