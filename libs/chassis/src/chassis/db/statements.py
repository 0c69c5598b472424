"""Statements: SQL texts with `$1` arguments, or SQLAlchemy Core statements compiled to the same."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql import asyncpg as postgresql_asyncpg
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

Statement: TypeAlias = str | Executable

_DIALECT = postgresql_asyncpg.dialect(json_serializer=lambda value: value)  # type: ignore[no-untyped-call]
"""JSON values stay as they are here: the pool's codec writes them, and must not write them twice."""


def rendered(statement: Statement, args: Sequence[object]) -> tuple[str, Sequence[object]]:
    """The SQL text and its arguments in order. A Core statement carries its own arguments, so `args` must be empty."""
    if isinstance(statement, str):
        return statement, args
    if args:
        raise TypeError("a Core statement carries its own arguments")
    if not isinstance(statement, ClauseElement):
        raise TypeError(f"not a statement: {type(statement).__name__}")
    compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    if not isinstance(compiled, SQLCompiler):
        return str(compiled), ()
    values = dict(compiled.params)
    values.update(_made_here(compiled))
    return str(compiled), [_bound(compiled, name, values) for name in compiled.positiontup or ()]


def _made_here(compiled: SQLCompiler) -> dict[str, object]:
    """Values of the columns whose default is made in Python; a statement of several rows has one per row."""
    made = {str(column.key): _default_value(column.default) for column in compiled.insert_prefetch}
    made.update((str(column.key), _default_value(column.onupdate)) for column in compiled.update_prefetch)
    return made


def _default_value(default: Any) -> object:
    return default.arg(None) if default.is_callable else default.arg


def _bound(compiled: SQLCompiler, name: str, values: dict[str, object]) -> object:
    process = (
        compiled.binds[name].type.dialect_impl(_DIALECT).bind_processor(_DIALECT) if name in compiled.binds else None
    )
    return process(values[name]) if process else values[name]
