"""What orders may ask (spec 1.10). No route takes a key: a quote stores nothing, a reserve is named by its checkout."""

from catalog import flows
from catalog.clients.identity import IdentityClient
from chassis.web import Answer, Caller, Router, no_key, reply, reply_json, services
from contracts.catalog import QuoteAnswer, QuoteRequest, ReserveAnswer, ReserveCommand

router = Router(prefix="/internal/v1", tags=["internal"])


@router.post("/quotes", allow=services("orders"), key=no_key(), answers=QuoteAnswer)
async def quote(call: Caller, body: QuoteRequest) -> Answer:
    return reply(await flows.quote(flows.Standings(call.db, call.client(IdentityClient), call), body))


@router.post("/reservations", allow=services("orders"), key=no_key(), answers=ReserveAnswer)
async def reserve(call: Caller, body: ReserveCommand) -> Answer:
    ask = flows.Standings(call.db, call.client(IdentityClient), call)
    return reply_json(await flows.reserve_checkout(ask, body, actor=call.actor))
