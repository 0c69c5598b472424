"""A store's files, as its members see them (spec 3.3)."""

from typing import Any
from uuid import UUID

from chassis.answer import Answer, no_content, reply, reply_page
from chassis.idempotency import Stored
from chassis.web import OMPS, Call, Caller, Router, member
from media import queries
from media.api.schemas import MediaList, MediaQuery, PresignBody, Presigned
from media.clients.storage import Signer
from media.domain.media import Mime
from media.flows.reading import with_links
from media.usecases import uploads
from media.usecases.uploads import Announced

router = Router(prefix="/api/v1/media", tags=["media"])


async def sign_again(call: Call, stored: Stored) -> Answer:
    """The answer to a repeat: the same medium, with a link that is good from now on."""
    return reply(await _signed(call, stored.data))


@router.post("/presign", allow=member(OMPS), answers=Presigned, replay=sign_again)
async def presign(call: Caller, body: PresignBody) -> Answer:
    """The link is signed when the row is committed, so that no upload comes before it (spec 12.3)."""
    file = Announced(body.media_kind, body.mime_type, body.file_name, body.size_bytes)
    async with call.transaction() as tx:
        facts = await uploads.announce_upload(tx, call.scope, call.user, file)
        announced = {
            "media_id": str(facts["media_id"]),
            "gcs_key": facts["gcs_key"],
            "content_type": body.mime_type,
            "size_bytes": body.size_bytes,
        }
        tx.answer(announced)
    return reply(await _signed(call, announced))


@router.get("", allow=member(), answers=MediaList)
async def list_media(call: Caller, query: MediaQuery) -> Answer:
    async with call.reader() as db:
        page = await queries.files(
            db,
            call.scope,
            kind=query.kind,
            status=query.status,
            mime_type=query.mime_type,
            search=query.search,
            limit=query.limit,
            cursor=query.cursor,
            with_total=query.with_total,
        )
    links = {row["id"]: row for row in await with_links(call.client(Signer), page.rows)}
    return reply_page("items", page, lambda row: links[row["id"]])


@router.delete("/{media_id}", allow=member(OMPS), status=204, reasons=("protected", "transition"))
async def delete_medium(call: Caller, media_id: UUID) -> Answer:
    async with call.transaction() as tx:
        await uploads.request_delete(tx, call.scope, media_id)
    return no_content()


async def _signed(call: Call, announced: dict[str, Any]) -> dict[str, Any]:
    signed = await call.client(Signer).upload(
        announced["gcs_key"], Mime(announced["content_type"]), announced["size_bytes"]
    )
    told = {name: announced[name] for name in ("media_id", "gcs_key", "content_type")}
    return {**told, "signed_put_url": signed.url, "headers": signed.headers, "expires_at": signed.expires_at}
