"""Licences: members hand them in and take them back, the house reviews them."""

from uuid import UUID

from chassis.web import ADMIN, OM, OMPS, Answer, Call, Caller, Router, member, page_of, reply_page
from identity import queries
from identity.api.licence_schemas import DeletedView, LicenceBody, LicencesQuery, LicenceView, QueueQuery, ReviewBody
from identity.domain.licences import Licence
from identity.domain.media import LICENCE_SCAN
from identity.flows.hot_copies import changing
from identity.flows.media import ask_before_refusal, scan_links
from identity.usecases import licences
from kernel.page import Page

router = Router(prefix="/api/v1/licenses", tags=["licences"])
house = Router(prefix="/api/v1/admin/licenses", tags=["admin"])

_REFUSALS = ("role_missing", "store_context_missing")


@router.post(
    "", allow=member(OMPS), answers=LicenceView, status=201, reasons=("duplicate", "media_not_uploaded", *_REFUSALS)
)
async def submit_licence(call: Caller, body: LicenceBody) -> Answer:
    """With a scan that the store has uploaded. It waits for its review, also when its last day has passed."""
    await ask_before_refusal(call, body.media_id, LICENCE_SCAN, "media_id")
    async with call.reader() as db:
        sids = await queries.live_sessions_of_store(db, call.store)
    async with changing(call, sids) as change, call.transaction() as tx:
        licence = await licences.submit(tx, change, call.scope, call.user, body.licence())
        return tx.answer(LicenceView.of(licence))


@router.get("", allow=member(), answers=page_of("items", LicenceView), reasons=("store_context_missing",))
async def list_licences(call: Caller, query: LicencesQuery) -> Answer:
    """The newest first."""
    async with call.reader() as db:
        page = await queries.own_licences(db, call.scope, query.paging())
    return await _shown(call, page)


@router.delete("/{license_id}", allow=member(OM), answers=DeletedView, reasons=("licence_in_force", *_REFUSALS))
async def delete_licence(call: Caller, license_id: UUID) -> Answer:
    """Only a rejected or expired one goes, and its scan with it unless something else holds that."""
    async with call.reader() as db:
        sids = await queries.live_sessions_by_own_licence(db, call.scope, license_id)
    async with changing(call, sids) as change, call.transaction() as tx:
        await licences.withdraw(tx, change, call.scope, license_id)
        return tx.answer(DeletedView())


@house.get("", allow=ADMIN, answers=page_of("items", LicenceView))
async def list_licences_to_review(call: Caller, query: QueueQuery) -> Answer:
    """The oldest first; those that wait, unless another status is asked for."""
    async with call.reader() as db:
        page = await queries.licence_queue(db, query.paging())
    return await _shown(call, page)


@house.post("/{license_id}/verify", allow=ADMIN, answers=LicenceView, reasons=("licence_expired", "not_pending"))
async def review_licence(call: Caller, license_id: UUID, body: ReviewBody) -> Answer:
    """Verified or rejected, once. Whoever acts for the store stands as it does then, within a second."""
    async with call.reader() as db:
        sids = await queries.live_sessions_by_licence(db, license_id)
    async with changing(call, sids) as change, call.transaction() as tx:
        licence = await licences.review(tx, change, license_id, call.user, decision=body.decision, reason=body.reason)
        return tx.answer(LicenceView.of(licence))


async def _shown(call: Call, page: Page[Licence]) -> Answer:
    links = await scan_links(call, page.rows)
    return reply_page("items", page, lambda licence: LicenceView.of(licence, links.get(licence.media_id)))
