"""Entries, as the members of their store see them."""

from uuid import UUID

from chassis.answer import Answer, reply, reply_page
from chassis.web import OMP, Caller, PageQuery, Router, member, required
from newservice import queries
from newservice.api.schemas import Entry, EntryAdd, EntryList
from newservice.usecases import add_entry

router = Router(prefix="/api/v1/newservice", tags=["newservice"])


@router.post("", allow=member(OMP), key=required(), answers=Entry, status=201, reasons=("duplicate",))
async def add(call: Caller, body: EntryAdd) -> Answer:
    async with call.transaction() as tx:
        return tx.answer(await add_entry(tx, call.scope, body.title))


@router.get("", allow=member(), answers=EntryList)
async def list_entries(call: Caller, query: PageQuery) -> Answer:
    async with call.reader() as db:
        page = await queries.entries(db, call.scope, query.limit, query.cursor, with_total=query.with_total)
    return reply_page("items", page, dict)


@router.get("/{newservice_id}", allow=member(), answers=Entry)
async def read_entry(call: Caller, newservice_id: UUID) -> Answer:
    async with call.reader() as db:
        return reply(await queries.entry(db, call.scope, newservice_id))
