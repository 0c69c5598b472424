"""The tables that every service has (spec 1.5, 1.8, 1.9, 16.1), their triggers and functions.

The tables are declared once, here, and both the service's metadata and its first migration are built from them. A
later change of the floor adds a function such as `floor_2(op, schema)` for the services' next migrations to call; its
statements say `if not exists`, because a schema that is born afterwards has the change already.

`info={"app": ..., "relay": ...}` names what those roles may do with a table; without it the app may read and write.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import CreateIndex, CreateTable, DropTable

from chassis.db.columns import NAMES, NAMES_ITSELF, WORDS

ARCHIVE = "outbox_archive"
READ, READ_INSERT = "select", "select, insert"
_BUSY = {
    "autovacuum_vacuum_scale_factor": "0",
    "autovacuum_vacuum_threshold": "2000",
    "autovacuum_vacuum_cost_delay": "0",
}
"""A table whose rows live for milliseconds is vacuumed by count, not by share (P9)."""


def service_metadata(schema: str) -> MetaData:
    """Metadata of one service, in the schema of its name, with the floor's tables in it."""
    metadata = MetaData(schema=schema, naming_convention=NAMES, info={NAMES_ITSELF: True})
    add_floor(metadata)
    return metadata


def add_floor(metadata: MetaData) -> None:
    _outbox(metadata)
    _outbox_numbers(metadata)
    _inbox(metadata)
    _idempotency(metadata)
    _audit(metadata)
    _operations(metadata)


def create_floor(op: Any, schema: str) -> None:
    """What the first migration of every service calls, with `alembic.op`, before it makes tables of its own."""
    for statement in _FUNCTIONS:
        op.execute(statement.format(schema=schema))
    for table in service_metadata(schema).sorted_tables:
        op.execute(CreateTable(table))
        for index in sorted(table.indexes, key=lambda one: str(one.name)):
            op.execute(CreateIndex(index))
    for statement in _AFTERWARDS:
        op.execute(statement.format(schema=schema))


def drop_floor(op: Any, schema: str) -> None:
    """Undo `create_floor`; everything the floor remembers is lost."""
    for table in reversed(service_metadata(schema).sorted_tables):
        op.execute(DropTable(table))
    for function in ("keep_archive", "tidy_outbox", "refuse_change", "clock_now"):
        op.execute(f"drop function {schema}.{function}()")


def _moment(name: str = "created_at") -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=text("clock_now()"))


def _later(name: str, *, required: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=not required)


def _word(name: str, *words: str) -> Column[Any]:
    """Text that is one of these."""
    quoted = ", ".join(f"'{word}'" for word in words)
    check = CheckConstraint(f"{name} in ({quoted})", name=name)
    return Column(name, Text, check, nullable=False, info={WORDS: words})


def _event_columns() -> tuple[Column[Any], ...]:
    return (
        Column("event_id", Uuid, nullable=False),
        Column("type", Text, nullable=False),
        Column("aggregate_type", Text, nullable=False),
        Column("aggregate_id", Uuid, nullable=False),
        Column("aggregate_seq", BigInteger, nullable=False),
        Column("epoch", Integer, nullable=False),
        Column("baseline", Boolean, nullable=False, server_default=text("false")),
        Column("payload", JSONB, nullable=False),
        Column("traceparent", Text),
        Column("request_id", Text),
        Column("actor", Text),
        _moment(),
    )


def _outbox(metadata: MetaData) -> None:
    Table(
        "outbox",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        *_event_columns(),
        UniqueConstraint("aggregate_type", "aggregate_id", "aggregate_seq", name="uq_outbox_number"),
        info={"app": READ_INSERT, "relay": "select, delete"},
        postgresql_with=_BUSY,
    )
    Table(
        ARCHIVE,
        metadata,
        Column("id", BigInteger, primary_key=True, autoincrement=False),
        *_event_columns(),
        Column("published_at", DateTime(timezone=True), primary_key=True, server_default=text("clock_now()")),
        Index("ix_outbox_archive_number", "aggregate_type", "aggregate_id", "aggregate_seq"),
        info={"app": READ, "relay": "insert"},
        postgresql_partition_by="RANGE (published_at)",
    )


def _outbox_numbers(metadata: MetaData) -> None:
    Table(
        "aggregate_cursor",
        metadata,
        Column("aggregate_type", Text, primary_key=True),
        Column("aggregate_id", Uuid, primary_key=True),
        Column("last_seq", BigInteger, nullable=False),
        _moment("updated_at"),
        Index("ix_aggregate_cursor_updated_at", "updated_at"),
        info={"app": "select, insert, update"},
    )
    Table(
        "stream_epoch",
        metadata,
        Column(
            "one_row",
            Boolean,
            CheckConstraint("one_row", name="one_row"),
            primary_key=True,
            server_default=text("true"),
        ),
        Column("epoch", Integer, nullable=False, server_default=text("1")),
        info={"app": "select, update"},
    )
    Table("outbox_dedupe", metadata, Column("key", Text, primary_key=True), _moment(), info={"app": READ_INSERT})


def _inbox(metadata: MetaData) -> None:
    Table(
        "inbox_stream",
        metadata,
        Column("source", Text, primary_key=True),
        Column("aggregate_type", Text, primary_key=True),
        Column("aggregate_id", Uuid, primary_key=True),
        Column("epoch", Integer, nullable=False, server_default=text("1")),
        Column("last_seq", BigInteger, nullable=False, server_default=text("0")),
        Column("blocked", Boolean, nullable=False, server_default=text("false")),
        _moment("updated_at"),
    )
    _inbox_held(metadata)
    Table(
        "inbox_message",
        metadata,
        Column("source", Text, primary_key=True),
        Column("message_id", Text, primary_key=True),
        _moment(),
        Index("ix_inbox_message_created_at", "created_at"),
    )


def _inbox_held(metadata: MetaData) -> None:
    Table(
        "inbox_held",
        metadata,
        Column("source", Text, primary_key=True),
        Column("aggregate_type", Text, primary_key=True),
        Column("aggregate_id", Uuid, primary_key=True),
        Column("seq", BigInteger, primary_key=True),
        Column("epoch", Integer, nullable=False),
        Column("event_id", Uuid, nullable=False),
        Column("topic", Text, nullable=False),
        Column("baseline", Boolean, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("attempts", Integer, nullable=False, server_default=text("0")),
        _later("next_at"),
        Column("reason", Text, nullable=False),
        Column("error", Text),
        _moment("held_at"),
        Index("ix_inbox_held_next_at", "next_at", postgresql_where=text("next_at is not null")),
        Index("ix_inbox_held_event_id", "event_id"),
    )


def _idempotency(metadata: MetaData) -> None:
    Table(
        "idempotency_records",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("actor_key", Text, nullable=False),
        Column("store_id", Uuid),
        Column("method", Text, nullable=False),
        Column("path", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("body_hmac", LargeBinary, nullable=False),
        _word("state", "in_progress", "done"),
        Column("claim_token", Uuid, nullable=False),
        _later("lease_expires_at", required=True),
        Column("status_code", Integer),
        Column("content_type", Text),
        Column("body", LargeBinary),
        _moment(),
        _later("expires_at", required=True),
        UniqueConstraint(
            "actor_key",
            "store_id",
            "method",
            "path",
            "key",
            name="uq_idempotency_records_scope",
            postgresql_nulls_not_distinct=True,
        ),
        Index("ix_idempotency_records_expires_at", "expires_at"),
    )


def _audit(metadata: MetaData) -> None:
    Table(
        "audit_logs",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("seq", BigInteger, Identity(always=True), nullable=False, unique=True),
        Column("actor_user_id", Uuid),
        Column("actor_store_id", Uuid),
        Column("actor_role", Text),
        Column("action", Text, nullable=False),
        Column("target_type", Text, nullable=False),
        Column("target_id", Uuid),
        Column("payload", JSONB, nullable=False),
        _word("outcome", "done", "denied"),
        Column("request_id", Text),
        _moment(),
        Index("ix_audit_logs_actor", "actor_user_id", "created_at"),
        Index("ix_audit_logs_target", "target_type", "target_id"),
        Index("ix_audit_logs_created_at", "created_at"),
        info={"app": READ_INSERT},
    )


def _operations(metadata: MetaData) -> None:
    Table(
        "feature_flags",
        metadata,
        Column("name", Text, primary_key=True),
        Column("enabled", Boolean, nullable=False),
        _moment("updated_at"),
    )
    Table(
        "job_leases",
        metadata,
        Column("job", Text, primary_key=True),
        Column("holder", Text),
        Column("fencing_token", BigInteger, nullable=False, server_default=text("0")),
        _later("expires_at"),
        _later("last_started_at"),
        _later("last_finished_at"),
        Column("last_result", Text),
    )


_FUNCTIONS = (
    # A test turns this clock for its own connections; nobody else sets the offset (chassis.db.database).
    """
    create function {schema}.clock_now() returns timestamptz language sql stable as $$
        select now() + coalesce(nullif(current_setting('packhouse.clock_offset', true), '')::interval, interval '0')
    $$
    """,
    """
    create function {schema}.refuse_change() returns trigger language plpgsql as $$
    begin
        raise exception '% is append-only: % refused', tg_table_name, lower(tg_op)
            using errcode = 'insufficient_privilege';
    end $$
    """,
    # Days are UTC. Rows that the default partition caught because their day was missing move to their day here.
    """
    create function {schema}.keep_archive() returns bigint
    language plpgsql security definer set search_path = {schema}, pg_temp as $$
    declare
        today date := (clock_now() at time zone 'UTC')::date;
        day date;
        part text;
        caught bigint;
    begin
        for day in select today + n from generate_series(0, 7) n loop
            part := 'outbox_archive_' || to_char(day, 'YYYYMMDD');
            continue when to_regclass(format('{schema}.%I', part)) is not null;
            execute format('create table %I (like outbox_archive including all)', part);
            execute format(
                'with caught as (delete from outbox_archive_default
                    where published_at >= %L and published_at < %L returning *) insert into %I select * from caught',
                day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC', part);
            execute format('alter table outbox_archive attach partition %I for values from (%L) to (%L)',
                part, day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
        end loop;
        for part in
            select relname from pg_class join pg_inherits on inhrelid = pg_class.oid
            where inhparent = 'outbox_archive'::regclass and relname ~ '^outbox_archive_\\d{{8}}$'
              and to_date(right(relname, 8), 'YYYYMMDD') < today - 30
        loop
            execute format('drop table %I', part);
        end loop;
        select count(*) into caught from outbox_archive_default;
        return caught;
    end $$
    """,
    "revoke execute on function {schema}.keep_archive() from public",
)

_AFTERWARDS = (
    "create table {schema}.outbox_archive_default partition of {schema}.outbox_archive default",
    "select {schema}.keep_archive()",
    "insert into {schema}.stream_epoch default values",
    # Vacuum seldom gives back what a table and its indexes have grown by. The few rows that are there are written anew
    # while writers wait; given up when somebody writes just then.
    """
    create function {schema}.tidy_outbox() returns boolean
    language plpgsql security definer set search_path = {schema}, pg_temp set lock_timeout = '100ms' as $$
    declare
        kept outbox[];
    begin
        lock table outbox in access exclusive mode;
        kept := array(select event from outbox event order by id limit 1001);
        if cardinality(kept) > 1000 then
            return false;
        end if;
        truncate outbox;
        insert into outbox overriding system value select * from unnest(kept);
        return true;
    exception when lock_not_available then
        return false;
    end $$
    """,
    "revoke execute on function {schema}.tidy_outbox() from public",
    """
    create trigger audit_logs_append_only before update or delete or truncate on {schema}.audit_logs
    for each statement execute function {schema}.refuse_change()
    """,
)
