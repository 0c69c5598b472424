import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from alembic import command
from sqlalchemy import Column, Table, Text
from sqlalchemy.types import UserDefinedType

from chassis.db import service_metadata
from chassis.db.migrations import PostgisMissing, _configuration, _run, differences, migrate, revise, upgrade_sql
from chassis.db.roles import Roles, role_password, role_url
from chassis.manifest import Service
from chassis.settings import ServiceSettings
from testkit.sample.bench import SECRET, VERSIONS, Bench
from testkit.sample.manifest import SERVICE
from testkit.servers import TestServers

FLOOR_ONLY = Path(__file__).parent / "histories"
DENIED = asyncpg.InsufficientPrivilegeError
ARCHIVED_LATER = """
insert into outbox_archive (id, event_id, type, aggregate_type, aggregate_id, aggregate_seq, epoch, payload,
                            published_at)
select n, gen_random_uuid(), 'x', 'x', gen_random_uuid(), 1, 1, '{}', now() + n * interval '1 day'
from generate_series(9, 10) as n
"""


async def test_the_schema_builds_from_empty_and_matches_its_tables(bench: Bench, servers: TestServers) -> None:
    assert await differences(SERVICE, bench.admin_url, role_prefix=servers.role_prefix) == []


async def test_a_changed_table_and_a_new_word_of_a_status_are_noticed(bench: Bench, servers: TestServers) -> None:
    async with bench.connected() as admin:
        await admin.execute("alter table things drop column facts; alter table things drop constraint ck_things_colour")
        await admin.execute("alter table things add constraint ck_things_colour check (colour in ('red'))")

    found = await differences(SERVICE, bench.admin_url, role_prefix=servers.role_prefix)

    assert [difference[0] for difference in found] == ["add_column", "check"]


async def test_migrations_run_at_once_and_again(servers: TestServers) -> None:
    """Several processes start at the same time, and each runs `migrate` first."""
    async with servers.database("empty", _nothing) as url:
        prefix = f"{servers.role_prefix}race_"
        for _ in range(2):
            await asyncio.gather(
                *(migrate(SERVICE, url, hmac_secret=SECRET, role_prefix=prefix, versions=VERSIONS) for _ in range(4))
            )
        assert await differences(SERVICE, url, role_prefix=prefix) == []
        await _drop_roles(url, prefix)


async def test_a_history_goes_down_and_up_again(bench: Bench, servers: TestServers) -> None:
    owner = Roles.of("sample", servers.role_prefix).owner
    config = _configuration(SERVICE, VERSIONS)

    def down_and_up(connection: object) -> None:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        command.upgrade(config, "head")

    await _run(bench.admin_url, SERVICE, owner, down_and_up)

    assert await differences(SERVICE, bench.admin_url, role_prefix=servers.role_prefix) == []


async def test_the_next_migration_is_written_from_the_difference(servers: TestServers, tmp_path: Path) -> None:
    """From an empty folder, so the first one makes the floor too; then another for a column that was added."""
    metadata = service_metadata("sample")
    shelf = Table("shelves", metadata, Column("id", Text, primary_key=True))
    service = Service(name="sample", settings=ServiceSettings, metadata=metadata)
    how = {"hmac_secret": SECRET, "role_prefix": servers.role_prefix, "versions": tmp_path / "versions"}
    async with servers.database("empty", _nothing) as url:
        await revise(service, url, "shelves", **how)
        await migrate(service, url, **how)
        shelf.append_column(Column("label", Text))
        await revise(service, url, "labels", **how)
        await migrate(service, url, **how)

        assert await differences(service, url, role_prefix=servers.role_prefix) == []
    assert sorted(path.name for path in how["versions"].glob("*.py")) == ["0001_shelves.py", "0002_labels.py"]


async def test_the_history_can_be_written_as_sql() -> None:
    assert "CREATE TABLE sample.things" in upgrade_sql(SERVICE, versions=VERSIONS)


async def test_missing_postgis_is_named(servers: TestServers, monkeypatch: pytest.MonkeyPatch) -> None:
    class Geography(UserDefinedType[str]):
        cache_ok = True

    metadata = service_metadata("sample")
    Table("places", metadata, Column("id", Text, primary_key=True), Column("geom", Geography()))
    spatial = Service(name="sample", settings=ServiceSettings, metadata=metadata)
    execute = asyncpg.Connection.execute

    async def without_postgis(self: asyncpg.Connection, query: str, *args: object) -> str:
        if "postgis" in query:
            raise asyncpg.UndefinedFileError("could not open extension control file")
        return await execute(self, query, *args)

    monkeypatch.setattr(asyncpg.Connection, "execute", without_postgis)
    async with servers.database("empty", _nothing) as url:
        with pytest.raises(PostgisMissing, match="postgis"):
            await migrate(spatial, url, hmac_secret=SECRET, role_prefix=servers.role_prefix, versions=VERSIONS)


@pytest.mark.parametrize(
    "statement",
    [
        "update outbox set epoch = 2", "delete from outbox", "insert into outbox_archive (id) values (1)",
        "update audit_logs set action = ''", "delete from audit_logs", "truncate audit_logs",
        "delete from outbox_dedupe", "update outbox_dedupe set key = ''", "delete from aggregate_cursor",
        "alter table things add column x int", "create table mine (id int)", "create table public.mine (id int)",
        "select keep_archive()",
    ],
)  # fmt: skip
async def test_the_app_role_cannot(bench: Bench, statement: str) -> None:
    async with bench.connected(bench.settings.database_url) as app:
        with pytest.raises(DENIED):
            await app.execute(statement)


@pytest.mark.parametrize(
    "statement",
    ["select * from things", "update outbox set epoch = 2", "insert into outbox (epoch) values (1)",
     "select * from outbox_archive", "delete from outbox_archive", "select * from audit_logs", "create table x ()"],
)  # fmt: skip
async def test_the_relay_role_cannot(bench: Bench, statement: str) -> None:
    async with bench.connected(bench.settings.relay_database_url) as relay:
        with pytest.raises(DENIED):
            await relay.execute(statement)


async def test_no_service_reads_another(bench: Bench, servers: TestServers) -> None:
    other = Service(name="other", settings=ServiceSettings, metadata=service_metadata("other"))
    await migrate(other, bench.admin_url, hmac_secret=SECRET, role_prefix=servers.role_prefix, versions=FLOOR_ONLY)
    strangers = Roles.of("other", servers.role_prefix)
    for role in (strangers.app, strangers.relay):
        async with bench.connected(role_url(bench.admin_url, role, SECRET)) as stranger:
            for statement in ("select * from sample.things", "insert into sample.outbox (epoch) values (1)"):
                with pytest.raises(DENIED):
                    await stranger.execute(statement)


async def test_the_roles_have_their_limits(bench: Bench) -> None:
    async with bench.connected(bench.settings.database_url) as app:
        assert await app.fetchval("show statement_timeout") == "5s"
        assert await app.fetchval("show lock_timeout") == "2s"
        assert await app.fetchval("show idle_in_transaction_session_timeout") == "10s"
        assert await app.fetchval("show synchronous_commit") == "on"
    async with bench.connected(bench.settings.relay_database_url) as relay:
        assert await relay.fetchval("show idle_session_timeout") == "8s"
    async with bench.connected() as admin:
        limit = await admin.fetchval("select rolconnlimit from pg_roles where rolname = $1", bench.roles.app)
    assert limit == 24


def test_a_password_follows_from_secret_and_role() -> None:
    assert role_password("a" * 32, "orders_app") == role_password("a" * 32, "orders_app")
    assert role_password("a" * 32, "orders_app") != role_password("b" * 32, "orders_app")
    parts = urlsplit(role_url("postgresql://root:x@db:5432/shop?sslmode=require", "orders_app", "a" * 32))
    assert (parts.username, parts.hostname, parts.port, parts.path, parts.query) == (
        "orders_app", "db", 5432, "/shop", "sslmode=require",
    )  # fmt: skip


async def partitions(admin: asyncpg.Connection) -> set[str]:
    rows = await admin.fetch("select inhrelid::regclass::text as name from pg_inherits"
                             " where inhparent = 'outbox_archive'::regclass")  # fmt: skip
    return {row["name"].removeprefix("outbox_archive_") for row in rows}


def days(first: int, last: int) -> set[str]:
    today = datetime.now(UTC).date()
    return {f"{today + timedelta(days=n):%Y%m%d}" for n in range(first, last + 1)}


async def test_archive_partitions_are_made_a_week_ahead_and_dropped_after_thirty_days(bench: Bench) -> None:
    async with bench.connected(bench.settings.relay_database_url) as relay, bench.connected() as admin:
        assert await partitions(admin) == {"default"} | days(0, 7)

        for turned in range(1, 40):
            await relay.execute(f"set packhouse.clock_offset = '{turned} days'")
            assert await relay.fetchval("select keep_archive()") == 0

        assert await partitions(admin) == {"default"} | days(39 - 30, 39 + 7)


async def test_a_row_that_no_partition_took_moves_to_its_day_when_that_is_made(bench: Bench) -> None:
    async with bench.connected() as admin:
        await admin.execute(ARCHIVED_LATER)
        assert await admin.fetchval("select keep_archive()") == 2

        await admin.execute("set packhouse.clock_offset = '2 days'")

        assert await admin.fetchval("select keep_archive()") == 1
        assert await admin.fetchval("select count(*) from outbox_archive") == 2
        (ninth,) = days(9, 9)
        assert await admin.fetchval(f"select count(*) from outbox_archive_{ninth}") == 1


async def _nothing(_: str) -> None:
    return


async def _drop_roles(url: str, prefix: str) -> None:
    roles = Roles.of("sample", prefix)
    admin = await asyncpg.connect(url)
    for role in (roles.owner, roles.app, roles.relay):
        await admin.execute(f'drop owned by "{role}" cascade; drop role "{role}"')
    await admin.close()
