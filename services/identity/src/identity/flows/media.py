"""Media are asked about outside any transaction: before one is refused, and for links to read them by (spec 1.9)."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from chassis.web import Call
from identity.clients.media import MediaClient
from identity.domain.licences import Licence
from identity.domain.media import PICTURES, Use, demand_usable
from identity.repo import media
from identity.usecases.media import keep_medium
from kernel.refusal import Refusal


async def ask_before_refusal(call: Call, media_id: UUID, use: Use, field: str) -> None:
    """Put a medium that would be refused to its owner, and keep the answer.

    Whether it may be used is decided later, in the transaction that uses it, unless the owner knows of no such medium
    of this store: then the refusal stands, before a session is disturbed. Another store's is like none.
    Raises Unavailable.
    """
    async with call.reader() as db:
        known = await media.own(db, call.scope, media_id)
    try:
        demand_usable(known, use, field)
    except Refusal:
        answer = await call.client(MediaClient).medium(media_id, call)
        if answer is None or answer.store_id != call.store:
            raise
        async with call.step() as tx:
            await keep_medium(tx, answer)


async def ask_about_pictures(call: Call, changes: Mapping[str, object]) -> None:
    """As `ask_before_refusal`, for the logo and banner that a profile names."""
    for name, use in PICTURES.items():
        field = f"{name}_media_id"
        media_id = changes.get(field)
        if isinstance(media_id, UUID):
            await ask_before_refusal(call, media_id, use, field)


async def scan_links(call: Call, licences: Iterable[Licence]) -> dict[UUID, str]:
    """Links by medium, good for minutes; those that cannot be had now are left out."""
    return await call.client(MediaClient).read_urls({licence.media_id for licence in licences}, call)
