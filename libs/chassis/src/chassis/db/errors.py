"""What a failing database means to the caller (spec 1.1): decided here, and nowhere else."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from asyncpg.exceptions import DataError as MalformedValueError
from asyncpg.exceptions import PLPGSQLError, SyntaxOrAccessError

from chassis.telemetry import get_logger
from kernel.refusal import Conflict, Invalid, Unavailable

DATABASE = "database"
AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
"""Everything asyncpg raises, and what the socket under it raises."""

_CAST = re.compile(r"::[\w ]+")
_DETAIL = re.compile(r"^\w+ \((?P<columns>.+?)\)=")
_log = get_logger("chassis.db")


class CommitUnknown(Unavailable):
    """The connection broke while COMMIT was on its way: the transaction may be in the database, or not.

    To the client it is the same 503 as any other; code that can find out (the idempotency record) asks again first.
    """

    def __init__(self) -> None:
        super().__init__(DATABASE)


@contextmanager
def mapped() -> Iterator[None]:
    """Raises the refusal that stands for a database failure inside the block."""
    try:
        yield
    except AWAY as error:
        raise refusal_of(error) from error


def refusal_of(error: BaseException) -> Conflict | Invalid | Unavailable:
    """A unique violation is `Conflict`, other broken constraints and malformed values `Invalid`, else `Unavailable`."""
    if isinstance(error, asyncpg.UniqueViolationError):
        return Conflict.duplicate(_column(error))
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return Invalid.field(error.column_name or _column(error))
    if isinstance(error, MalformedValueError | asyncpg.DataError):
        return Invalid()
    if isinstance(error, SyntaxOrAccessError | PLPGSQLError):
        _log.error("db.defect", error=str(error), sqlstate=error.sqlstate, exc_info=error)
    return Unavailable(DATABASE)


def _column(error: asyncpg.PostgresError) -> str:
    """The last column that a message such as `Key (store_id, lower(sku))=(...)` names, else the constraint."""
    found = _DETAIL.match(error.detail or "")
    names = re.findall(r"\w+", _CAST.sub("", found["columns"])) if found else []
    return names[-1] if names else _checked_column(error)


def _checked_column(error: asyncpg.PostgresError) -> str:
    """A CHECK is named `ck_<table>_<column>` (chassis.db.columns), and PostgreSQL tells no column of its own."""
    return str(error.constraint_name or DATABASE).removeprefix(f"ck_{error.table_name}_")
