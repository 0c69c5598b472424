"""Columns as the spec speaks of them: each returns a `Field(...)` whose type, CHECK and default the schema keeps.

A CHECK is written with `{column}` in it, and called `ck_<table>_<column>` when the table is made. Every
function takes the further options of `sqlmodel.Field`, such as `primary_key`, `index`, `unique` and `default`.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from sqlalchemy import CHAR, BigInteger, CheckConstraint, DateTime, MetaData, Numeric, Table, Text, event, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from kernel.money import CENTS_MAX

QUANTITY_MAX = 2_147_483_647
CURRENCIES = ("USD", "BTC", "ETH")
NAMES = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}
"""How constraints are called, so that a failing one names its column and a migration can drop it."""

NAMES_ITSELF = "packhouse_checks"
"""Marks metadata whose tables get their CHECKs from their columns."""

WORDS = "words"
"""Where a column's `info` has the words it may hold."""


def cents(*, least: int = -CENTS_MAX, **options: Any) -> Any:
    """BIGINT cents, at most 10^12 in either direction (reliability 3.6)."""
    return _checked(BigInteger, f"{{column}} between {least} and {CENTS_MAX}", options)


def quantity(*, least: int = 0, **options: Any) -> Any:
    """A whole number of units, 0 to 2^31 - 1."""
    return _checked(BigInteger, f"{{column}} between {least} and {QUANTITY_MAX}", options)


def counter(*, start: int = 1, **options: Any) -> Any:
    """A BIGINT that only grows, such as a version: `start` when it is not given."""
    return _checked(BigInteger, f"{{column}} >= {start}", options, server_default=text(str(start)))


def percent(**options: Any) -> Any:
    """0 to 100 with four places."""
    return _checked(Numeric(7, 4), "{column} between 0 and 100", options)


def currency(**options: Any) -> Any:
    return _checked(CHAR(3), _one_of(CURRENCIES), options, info={WORDS: CURRENCIES}, server_default=text("'USD'"))


def choice(values: type[Enum] | Iterable[str], **options: Any) -> Any:
    """Text that is one of the enum's values, or of the given words."""
    words = [str(value.value) for value in values] if isinstance(values, type) else list(values)
    return _checked(Text, _one_of(words), options, info={WORDS: words})


def short_text(*, longest: int = 255, **options: Any) -> Any:
    return _checked(Text, f"char_length({{column}}) <= {longest}", options)


def long_text(**options: Any) -> Any:
    """Text whose length the edge has limited already."""
    return Field(sa_type=Text, **options)


def instant(*, now: bool = True, **options: Any) -> Any:
    """timestamptz; the database's turnable clock fills it in, unless `now` is false."""
    kwargs = {"server_default": text("clock_now()")} if now else {}
    return Field(sa_type=DateTime(timezone=True), sa_column_kwargs=kwargs, **options)


def jsonb(**options: Any) -> Any:
    """Any JSON value; Python `None` is SQL NULL."""
    return Field(sa_type=JSONB, **options)


def _one_of(words: Iterable[str]) -> str:
    quoted = ", ".join("'" + word.replace("'", "''") + "'" for word in words)
    return f"{{column}} in ({quoted})"


def _checked(
    kind: Any, check: str, options: dict[str, Any], *, info: Mapping[str, Any] | None = None, **kwargs: Any
) -> Any:
    return Field(sa_type=kind, sa_column_kwargs={"info": {"check": check, **(info or {})}, **kwargs}, **options)


@event.listens_for(Table, "after_parent_attach")
def _add_checks(table: Table, metadata: MetaData) -> None:
    """The table is whole here, so a CHECK can learn its column's name. A copy into other metadata has them already."""
    if not metadata.info.get(NAMES_ITSELF):
        return
    for column in table.columns:
        check = column.info.get("check")
        if check:
            table.append_constraint(CheckConstraint(check.format(column=column.name), name=column.name))
