"""What the commands of a service do and tell: one line of text per fact, for people and for scripts."""

import asyncio
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import typer
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AMQPError

from chassis import inbox
from chassis.bus import connect, declare
from chassis.floor import Floor
from chassis.inbox import DeadLetter, HeldEvent
from chassis.jobs import all_jobs, run_job
from chassis.manifest import Service
from chassis.settings import ServiceSettings
from kernel.refusal import Invalid

BROKER_SECONDS = 60.0
BROKER_PAUSE_SECONDS = 0.2
_MAY_NOT = ("update", "delete", "truncate")


async def migrate(service: Service, settings: ServiceSettings, admin_url: str, role_prefix: str) -> None:
    """Roles, schema and grants; then the queue and its bindings, so that nothing said from now on is lost."""
    from chassis.db.migrations import migrate as migrate_schema  # brings alembic, which no serving process needs

    secret = settings.hmac_secret.get_secret_value()
    await migrate_schema(service, admin_url, hmac_secret=secret, role_prefix=role_prefix)
    async with asyncio.timeout(BROKER_SECONDS):
        connection = await _broker(settings.rabbitmq_url, f"{service.name} migrate")
        async with connection:
            await declare(await connection.channel(), service)
    typer.echo(f"{service.name}: schema, queue and bindings are up to date")


async def revise(service: Service, settings: ServiceSettings, admin_url: str, role_prefix: str, title: str) -> None:
    """The difference between the database, once it is up to date, and the tables in the code."""
    from chassis.db import migrations  # as above

    secret = settings.hmac_secret.get_secret_value()
    await migrations.revise(service, admin_url, title, hmac_secret=secret, role_prefix=role_prefix)


async def _broker(url: str, name: str) -> AbstractConnection:
    """A connection, as soon as the broker answers: it may still be starting."""
    while True:
        try:
            return await connect(url, name)
        except (OSError, AMQPError):
            await asyncio.sleep(BROKER_PAUSE_SECONDS)


def jobs_of(service: Service) -> Iterable[tuple[str, str]]:
    """Names and periods, the floor's own jobs included."""
    return [(name, f"every {job.every}") for name, job in sorted(all_jobs(service).items())]


async def run_job_now(floor: Floor, name: str) -> bool:
    """Whether it ran and ended well."""
    if name not in all_jobs(floor.service):
        raise Invalid.field("job", f"{floor.service.name} has no job {name}")
    outcome = await run_job(floor, name)
    if not outcome.ran:
        typer.echo(f"{name}: another process runs it")
        return False
    typer.echo(f"{name}: {'done' if outcome.succeeded else 'failed'}, {outcome.items_failed} items failed")
    return outcome.succeeded


async def join(floor: Floor, consumer: str) -> None:
    typer.echo(f"{await inbox.join(floor, consumer)} events sent to {consumer}")


async def replay(floor: Floor, consumer: str, aggregate: str | None, start: int) -> None:
    typer.echo(f"{await inbox.replay(floor, consumer, _aggregate(aggregate), start)} events sent to {consumer}")


async def rebuild(floor: Floor) -> None:
    typer.echo(f"{await inbox.rebuild(floor)} snapshots said again")


async def restored(floor: Floor) -> None:
    epoch, said = await inbox.restored(floor)
    typer.echo(f"epoch {epoch}, {said} snapshots said again")


async def list_held(floor: Floor) -> None:
    for event in await inbox.list_held(floor):
        typer.echo(_line(event))


async def show_held(floor: Floor, event_id: UUID) -> None:
    event = await inbox.show_held(floor, event_id)
    typer.echo(_line(event))
    typer.echo(f"next try: {event.next_at}\nerror: {event.error}\nbody: {_text(event.delivery.body)}")


async def retry_held(floor: Floor, event_id: UUID | None) -> None:
    applied, left = await inbox.retry_held(floor, event_id)
    typer.echo(f"{applied} applied, {left} still held")


async def drop_held(floor: Floor, event_id: UUID | None) -> None:
    typer.echo(f"{await inbox.drop_held(floor, event_id)} dropped")


async def list_dead(floor: Floor) -> None:
    for letter in await inbox.list_dead(floor):
        typer.echo(_letter_line(letter))


async def show_dead(floor: Floor, letter_id: str) -> None:
    letter = await inbox.show_dead(floor, letter_id)
    typer.echo(f"{_letter_line(letter)}\nheaders: {dict(letter.headers)}\nbody: {_text(letter.body)}")


async def requeue_dead(floor: Floor, letter_id: str | None) -> None:
    typer.echo(f"{await inbox.requeue_dead(floor, letter_id)} sent to the inbox again")


async def drop_dead(floor: Floor, letter_id: str | None) -> None:
    typer.echo(f"{await inbox.drop_dead(floor, letter_id)} dropped")


async def verify_audit(floor: Floor) -> bool:
    """Whether the audit log can only grow: its trigger stands, and this role may not change a row."""
    async with floor.db.reader() as db:
        rows = await db.fetchval("select count(*) from audit_logs")
        guarded = await db.fetchval(_TRIGGER_STANDS)
        allowed = [verb for verb in _MAY_NOT if await db.fetchval(_MAY, verb)]
    sound = bool(guarded) and not allowed
    told: list[Any] = [f"{rows} rows", "trigger stands" if guarded else "TRIGGER MISSING"]
    told.append(f"ROLE MAY {', '.join(allowed)}" if allowed else "append-only for this role")
    typer.echo(f"{floor.service.name}: {'; '.join(told)}")
    return sound


def _aggregate(text: str | None) -> tuple[str, UUID] | None:
    if text is None:
        return None
    kind, _, identity = text.partition(":")
    try:
        return kind, UUID(identity)
    except ValueError:
        raise Invalid.field("aggregate", "is not of the form TYPE:ID") from None


def _line(event: HeldEvent) -> str:
    stamp = event.stamp
    stream = f"{stamp.source}.{stamp.aggregate_type}:{stamp.aggregate_id}"
    return f"{stamp.event_id}\t{stamp.topic}\t{stream}#{stamp.seq}\t{event.reason}\t{event.attempts} attempts"


def _letter_line(letter: DeadLetter) -> str:
    return f"{letter.id}\t{letter.routing_key}\t{letter.message_id}\t{len(letter.body)} bytes"


def _text(body: bytes) -> str:
    return body.decode("utf-8", errors="backslashreplace")


_TRIGGER_STANDS = """
    select exists (select from pg_trigger where tgrelid = 'audit_logs'::regclass
                   and tgname = 'audit_logs_append_only' and tgenabled = 'O')
"""
_MAY = "select has_table_privilege(current_user, 'audit_logs', $1::text)"
