"""Media and who uses them: what must hold of both when the house is at rest, and time that passes for a deletion."""

import asyncio
from contextlib import suppress
from typing import Any

import asyncpg
from markets import at_rest
from objects import ObjectStore

from packhouse.eventually import eventually
from packhouse.processes import StackError
from packhouse.stack import Stack

SETTLED_WITHIN = 60.0
FINALISE = "finalise-deletes"
LAPSED = "update media.job_leases set expires_at = now() where job = $1"
"""The lease of a run that died is over, as after its twenty seconds."""

USES = """
select 'product_gallery' entity_type, m.product_id entity_id, m.media_id
from catalog.product_media m join catalog.products p on p.id = m.product_id where p.deleted_at is null
union all select 'product_coa', id, coa_media_id from catalog.products
where coa_media_id is not null and deleted_at is null
union all select 'license', id, media_id from identity.licenses
union all select 'store_logo', id, logo_media_id from identity.stores where logo_media_id is not null
union all select 'store_banner', id, banner_media_id from identity.stores where banner_media_id is not null
"""

DANGLING = f"""
select u.entity_type, u.media_id, m.status from ({USES}) u left join media.media m on m.id = u.media_id
where m.id is null or m.status not in ('uploaded', 'ready')
"""

UNSEEN = f"""
(select entity_type, entity_id, media_id, 'not recorded' from ({USES}) u
 except select entity_type, entity_id, media_id, 'not recorded' from media.media_attachments where detached_at is null)
union all
(select entity_type, entity_id, media_id, 'not used' from media.media_attachments where detached_at is null
 except select entity_type, entity_id, media_id, 'not used' from ({USES}) u)
"""

GRACE_OVER = """
update media.media set delete_requested_at = delete_requested_at - interval '1 hour' where status = 'delete_requested'
"""


async def finalise_after_grace(stack: Stack, database: asyncpg.Connection) -> None:
    """What media does once the grace of all deletions is over; nothing while another process does the same."""
    await database.execute(GRACE_OVER)
    with suppress(StackError):
        await asyncio.to_thread(stack.run, "media", "job", FINALISE)


async def grace_passes(stack: Stack, database: asyncpg.Connection) -> None:
    """Every deletion that was asked for is finished or taken back, and everybody has heard."""
    await eventually(lambda: at_rest(database), within=SETTLED_WITHIN)

    async def finished() -> bool:
        await finalise_after_grace(stack, database)
        return not await database.fetchval("select 1 from media.media where status = 'delete_requested' limit 1")

    await eventually(finished, within=SETTLED_WITHIN, every=0.5)
    await eventually(lambda: at_rest(database), within=SETTLED_WITHIN)


async def dangling(database: asyncpg.Connection, objects: ObjectStore, store_id: str) -> list[Any]:
    """Uses whose medium or object is gone: of all stores by their rows, of this store by its objects too."""
    found: list[Any] = [dict(row) for row in await database.fetch(DANGLING)]
    kept = await objects.keys(f"{store_id}/")
    keys = f"select gcs_key from media.media where id in (select media_id from ({USES}) u) and store_id = $1::uuid"
    return found + [row["gcs_key"] for row in await database.fetch(keys, store_id) if row["gcs_key"] not in kept]


async def leaked(database: asyncpg.Connection, objects: ObjectStore, store_id: str) -> list[str]:
    """Objects of the store that no living medium accounts for."""
    living = "select gcs_key from media.media where store_id = $1::uuid and status in ('pending', 'uploaded', 'ready')"
    known = {row["gcs_key"] for row in await database.fetch(living, store_id)}
    return sorted(await objects.keys(f"{store_id}/") - known)


async def unseen(database: asyncpg.Connection) -> list[Any]:
    """Uses that media has not recorded, and recorded ones that nobody has, once the last of its events has come."""

    async def all_seen() -> bool:
        return not await database.fetch(UNSEEN)

    with suppress(TimeoutError):
        await eventually(all_seen, within=30)
    return [tuple(row) for row in await database.fetch(UNSEEN)]
