"""What is true of every service, as one test class that each service inherits.

```python
class TestConformance(Conformance):
    service = SERVICE
    clients = {CatalogClient: FakeCatalog()}
```
"""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import ARRAY, Column

from chassis.db.columns import WORDS
from chassis.db.migrations import differences
from chassis.manifest import Service
from chassis.web import door_table
from chassis.web.callers import Callers
from chassis.web.doors import DoorRow
from contracts.event import Snapshot
from kernel.scope import Actor, Kyc, Role, StoreType, SystemRole
from testkit.callers import Client
from testkit.servers import TestServers
from testkit.tap import tapped
from testkit.world import World

_PARAMETER = re.compile(r"\{[^}]+\}")
_REFUSED_AT_THE_DOOR = {"role_missing", "not_verified", "store_suspended"}
_APP_MAY_NOT = ("delete from outbox", "update outbox set epoch = 2", "update audit_logs set action = ''",
                "delete from audit_logs", "delete from outbox_archive", "truncate audit_logs",
                "create table mine (id int)")  # fmt: skip

_SAY = """
insert into outbox (event_id, type, aggregate_type, aggregate_id, aggregate_seq, epoch, payload)
values (gen_random_uuid(), $1, $2, gen_random_uuid(), 1, 1, '{}')
"""
_NOBODY = Actor.service("conformance")

_CHECKED = """
select relname, attname from pg_constraint
  join pg_class on pg_class.oid = conrelid join pg_attribute on attrelid = conrelid and attnum = conkey[1]
 where contype = 'c' and connamespace = to_regnamespace($1) and cardinality(conkey) = 1
   and pg_get_constraintdef(pg_constraint.oid) ~ $$'[^']+'::(text|bpchar)$$
"""
_OVER_SEVERAL_COLUMNS = """
select conname from pg_constraint where conrelid = 'probe'::regclass and contype = 'c' and cardinality(conkey) > 1
"""
_FOREIGN_WORD = "xyz"


class Conformance:
    """Set `service`; further class variables are handed to `World.open`."""

    service: ClassVar[Service]
    clients: ClassVar[Mapping[type, Any]] = {}
    settings: ClassVar[Mapping[str, Any]] = {}
    versions: ClassVar[Path | None] = None

    @pytest.fixture
    async def world(self, servers: TestServers) -> AsyncIterator[World]:
        async with World.open(
            self.service, servers, clients=self.clients, settings=self.settings, versions=self.versions
        ) as world:
            yield world

    async def test_it_is_alive_and_ready(self, world: World) -> None:
        for path in ("/health/live", "/health/ready"):
            assert (await world.nobody.get(path)).status_code == 200, path

    async def test_every_route_refuses_without_a_token_and_with_one_for_somebody_else(self, world: World) -> None:
        for row in door_table(self.service):
            if row.callers.is_anonymous:
                continue
            elsewhere = admitted(world, row)
            elsewhere.audience = "another"
            for who in (world.nobody, elsewhere):
                answer = await _knock(who, row)
                assert answer.status_code == 401, f"{row.method} {row.path}: {answer.text}"

    async def test_every_route_times_every_role(self, world: World) -> None:
        """A door lets in whom the generated table names, and nobody else."""
        for row, facts in product(door_table(self.service), everybody()):
            if row.callers.who in {"service", "open"} or row.callers.is_anonymous:
                continue
            answer = await _knock(world.caller(**facts), row)
            assert _is_refused_at_the_door(answer, facts) != may_enter(row.callers, facts), (
                f"{row.method} {row.path} for {facts}: {answer.text}"
            )

    async def test_an_internal_route_is_open_to_the_services_it_names(self, world: World) -> None:
        for row in door_table(self.service):
            if row.callers.who == "service" and row.callers.services:
                answer = await _knock(world.service_caller("gateway"), row)
                assert answer.status_code == 403 or "gateway" in row.callers.services, f"{row.path}: {answer.text}"

    async def test_an_id_of_nobody_is_not_found_and_a_word_is_no_id(self, world: World) -> None:
        for row in door_table(self.service):
            if row.method != "GET" or not _PARAMETER.search(row.path) or row.callers.is_anonymous:
                continue
            who = admitted(world, row)
            word = await who.get(_PARAMETER.sub("no-uuid", row.path))
            assert word.status_code == 400, f"{row.path}: {word.text}"
            if row.callers.who != "service":
                unknown = await who.get(_PARAMETER.sub(str(uuid4()), row.path))
                assert unknown.status_code == 404, f"{row.path}: {unknown.text}"

    async def test_a_write_reads_its_key_before_its_body(self, world: World) -> None:
        for row in door_table(self.service):
            if row.key.kind == "none":
                continue
            who, path = admitted(world, row), _PARAMETER.sub(str(uuid4()), row.path)
            without = await who.request(row.method, path, json={})
            endless = await who.request(row.method, path, json={}, key="x" * 256)
            assert endless.status_code == 400, f"{row.path}: {endless.text}"
            if row.key.kind == "required":
                assert without.status_code == 400, f"{row.path}: {without.text}"
                assert "Idempotency-Key" in without.text, f"{row.path}: {without.text}"

    async def test_an_unknown_id_and_an_empty_body_change_nothing(self, world: World) -> None:
        for row in door_table(self.service):
            if row.method == "GET" or row.callers.who == "service" or not _PARAMETER.search(row.path):
                continue
            answer = await _knock(admitted(world, row), row)
            assert answer.status_code in {400, 404, 422}, f"{row.method} {row.path}: {answer.text}"

    async def test_every_schema_builds_from_empty_and_matches_models(self, world: World, servers: TestServers) -> None:
        found = await differences(self.service, world.admin_url, role_prefix=servers.role_prefix)
        assert found == [], "write a migration, or correct the tables"

    async def test_every_enum_value_is_storable(self, world: World) -> None:
        """Each word that the code knows passes the CHECK of its column in PostgreSQL, and another one does not."""
        columns = list(_columns_of_words(self.service))
        connection = await asyncpg.connect(world.admin_url)
        try:
            checked = await connection.fetch(_CHECKED, self.service.name)
            assert {tuple(row) for row in checked} == {(column.table.name, column.name) for column in columns}
            for column in columns:
                await _store_every_word(connection, column)
        finally:
            await connection.close()

    async def test_every_event_is_closed_and_names_its_aggregate(self) -> None:
        for event in (*self.service.emits, *self.service.consumes):
            assert event.model_config.get("extra") == "forbid", event.topic
            assert event.model_fields[event.key].annotation is UUID, f"{event.topic}: key {event.key}"
            assert re.fullmatch(r"[a-z_]+\.[a-z_]+\.v\d+", event.topic), event.topic

    async def test_a_snapshot_is_an_event_that_may_open_a_stream(self, world: World) -> None:
        """Each snapshot source answers pages in id order, on an empty schema too."""
        for kind, source in self.service.snapshots.items():
            assert issubclass(kind, Snapshot)
            async with world.db.reader() as db:
                assert await source(db, only=uuid4(), limit=1) == []

    async def test_the_outbox_drains_into_the_archive(self, world: World) -> None:
        """With the grants that the relay's role has, and as every event the manifest names."""
        topics = sorted(self.service.emits, key=lambda event: event.topic)
        async with tapped(world.floor.settings.rabbitmq_url, f"{self.service.name}.#") as tap:
            async with world.db.transaction(actor=_NOBODY, request_id="conformance") as tx:
                for event in topics:
                    await tx.run(_SAY, event.topic, event.aggregate)
            await world.drain()
            heard = await tap.until(len(topics))

        assert sorted(event.topic for event in heard) == [event.topic for event in topics]
        async with world.db.reader() as db:
            assert await db.fetchval("select count(*) from outbox") == 0
            assert await db.fetchval("select count(*) from outbox_archive") == len(topics)

    @pytest.mark.parametrize("statement", _APP_MAY_NOT)
    async def test_the_app_cannot_rewrite_what_has_happened(self, world: World, statement: str) -> None:
        with pytest.raises(Exception, match="dependency") as refused:
            async with world.db.transaction(actor=_NOBODY, request_id="conformance") as tx:
                await tx.run(statement)
        assert "permission denied" in str(refused.value.__cause__)


def everybody() -> Iterator[dict[str, Any]]:
    """Nobody, the two system roles, a user without a store, and every role in both types of store, verified or not."""
    yield {}
    yield {"user_id": uuid4()}
    for system_role in SystemRole:
        yield {"user_id": uuid4(), "system_role": system_role}
    for role, store_type, kyc in product(Role, StoreType, (Kyc.VERIFIED, Kyc.PENDING_VERIFICATION)):
        yield {"user_id": uuid4(), "store_id": uuid4(), "store_type": store_type, "role": role, "kyc_status": kyc}


def may_enter(callers: Callers, facts: Mapping[str, Any]) -> bool:
    """Spec 1.7 in its plainest form, written apart from the code that is tested."""
    if "user_id" not in facts:
        return False
    if callers.who in {"agent", "admin"}:
        return facts.get("system_role") == callers.who
    if callers.who == "signed_in":
        return True
    is_member = facts.get("role") in callers.roles and callers.type in {None, facts.get("store_type")}
    return is_member and (not callers.verified or facts["kyc_status"] == Kyc.VERIFIED)


def admitted(world: World, row: DoorRow) -> Client:
    """Somebody this door is open to."""
    if row.callers.who == "service":
        return world.service_caller(min(row.callers.services, default="gateway"))
    if row.callers.is_anonymous:
        return world.caller()
    return world.caller(**next(facts for facts in everybody() if may_enter(row.callers, facts)))


def _columns_of_words(service: Service) -> Iterator[Column[Any]]:
    tables = service.metadata.sorted_tables if service.metadata is not None else ()
    return (column for table in tables for column in table.columns if WORDS in column.info)


async def _store_every_word(connection: asyncpg.Connection, column: Column[Any]) -> None:
    """In a copy of the table that asks for no other column and has no CHECK over several."""
    await connection.execute(f"create temp table probe (like {column.table.fullname} including constraints)")
    for each in column.table.columns:
        await connection.execute(f'alter table probe alter column "{each.name}" drop not null')
    for (name,) in await connection.fetch(_OVER_SEVERAL_COLUMNS):
        await connection.execute(f'alter table probe drop constraint "{name}"')
    insert = f'insert into probe ("{column.name}") values ($1)'
    many = isinstance(column.type, ARRAY)
    for word in column.info[WORDS]:
        await connection.execute(insert, [word] if many else word)
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(insert, [_FOREIGN_WORD] if many else _FOREIGN_WORD)
    await connection.execute("drop table probe")


async def _knock(who: Client, row: DoorRow) -> Any:
    """The route with ids of nobody, an empty body and a key."""
    path = _PARAMETER.sub(str(uuid4()), row.path)
    key = None if row.key.kind == "none" else str(uuid4())
    return await who.request(row.method, path, json=None if row.method in {"GET", "DELETE"} else {}, key=key)


def _is_refused_at_the_door(answer: Any, facts: Mapping[str, Any]) -> bool:
    """An endpoint may itself find that a store is missing, but only somebody without one is stopped before."""
    reason = _reason(answer)
    if reason == "store_context_missing":
        return "store_id" not in facts
    return answer.status_code == 401 or reason in _REFUSED_AT_THE_DOOR


def _reason(answer: Any) -> str | None:
    reason: str | None = answer.json().get("error", {}).get("reason") if answer.content else None
    return reason
