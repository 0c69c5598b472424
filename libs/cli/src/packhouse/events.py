"""How events flow in the running stack: what each service has said, and how far each consumer has come."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg
from rich.console import Console
from rich.table import Table

from contracts.event_map import event_map

SAID = """
select type, count(*) filter (where waiting) as waiting, count(*) filter (where not waiting) as published
from (select type, true as waiting from {service}.outbox
      union all select type, false from {service}.outbox_archive) as said
group by type order by type
"""
HEARD = """
select source, aggregate_type, count(*) as streams, sum(last_seq) as events, count(*) filter (where blocked) as blocked
from {service}.inbox_stream group by source, aggregate_type order by source, aggregate_type
"""


def show_events(database_url: str, services: Sequence[str], console: Console) -> None:
    """Two tables; the second has the events that are held, because they are what a person looks for here."""
    asyncio.run(_show(database_url, services, console))


async def _show(database_url: str, services: Sequence[str], console: Console) -> None:
    database = await asyncpg.connect(database_url)
    try:
        console.print(await _said(database, services))
        console.print(await _heard(database, services))
    finally:
        await database.close()


async def _said(database: asyncpg.Connection, services: Sequence[str]) -> Table:
    table = Table("topic", "consumers", "waiting", "published", title="Said", title_justify="left")
    for service in services:
        for row in await database.fetch(SAID.format(service=service)):
            consumers = ", ".join(sorted(event_map().get(row["type"], ())))
            table.add_row(row["type"], consumers, str(row["waiting"]), str(row["published"]))
    return table


async def _heard(database: asyncpg.Connection, services: Sequence[str]) -> Table:
    table = Table("consumer", "of", "streams", "applied", "blocked", "held", title="Heard", title_justify="left")
    for service in services:
        held = dict(await database.fetch(f"select source, count(*) from {service}.inbox_held group by source"))
        for row in await database.fetch(HEARD.format(service=service)):
            of = f"{row['source']}.{row['aggregate_type']}"
            counts = (row["streams"], row["events"], row["blocked"], held.get(row["source"], 0))
            table.add_row(service, of, *map(str, counts))
    return table
