"""What the holders of media may ask (spec 1.10). Whom a link is shown to is their affair."""

from uuid import UUID

from chassis.web import Answer, Caller, Router, no_key, reply, services
from contracts.media import MediaChanged, ReadUrls, ReadUrlsRequest
from media import queries
from media.clients.storage import Signer
from media.flows.reading import read_urls

router = Router(prefix="/internal/v1/media", tags=["internal"])

HOLDERS = ("identity", "catalog", "billing")


@router.get("/{media_id}", allow=services(*HOLDERS), answers=MediaChanged)
async def read_media_snapshot(call: Caller, media_id: UUID) -> Answer:
    """The medium as it is now, also when it is deleted; 404 for one that never was."""
    async with call.reader() as db:
        return reply(await queries.media_snapshot(db, media_id))


@router.post("/read-urls", allow=services(*HOLDERS), key=no_key(), answers=ReadUrls)
async def sign_read_urls(call: Caller, body: ReadUrlsRequest) -> Answer:
    async with call.reader() as db:
        rows = await queries.readable(db, body.media_ids)
    return reply(await read_urls(call.client(Signer), body.media_ids, rows))
