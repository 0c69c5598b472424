"""What needs a question to another service between two looks at the database.

A projection may be trusted for "yes". Before a "no" its owner is asked once; the answer is kept and decides (spec 1.9).
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from uuid import UUID

from catalog.clients.identity import IdentityClient
from catalog.clients.media import MediaClient
from catalog.domain.media import Use, unusable
from catalog.domain.standing import Standing, is_doubtful
from catalog.queries import market
from catalog.queries.details import Detail, known_media
from catalog.queries.listing import Filters, Paging, SortName
from catalog.queries.quotes import Goods, goods, standings
from catalog.queries.quoting import names_a_stranger, quote_answer
from catalog.usecases.media import keep_medium
from catalog.usecases.reservations import Reserved, reserve
from catalog.usecases.stores import keep_store
from chassis.calls import CallContext, hurried
from chassis.db import Database, Tx
from contracts.catalog import QuoteAnswer, QuoteRequest, ReserveCommand
from kernel.page import Page
from kernel.refusal import NotFound, StateConflict, Unavailable
from kernel.scope import Actor, StoreScope

QUESTIONS_AT_ONCE = 8
READ_URLS_SECONDS = 0.5
"""URLs are decoration: a detail waits no longer for them."""

Keeping = Callable[[Tx], Awaitable[None]]


class Questions:
    """Asks the owner of something, and keeps what it says."""

    def __init__(self, db: Database, context: CallContext) -> None:
        self.db = db
        self.context = context
        self._slots = asyncio.Semaphore(QUESTIONS_AT_ONCE)

    async def ask(self, ids: Collection[UUID]) -> None:
        """One question and one transaction for each, so that no two are ever locked together."""
        await asyncio.gather(*(self._ask(one) for one in ids))

    async def _ask(self, one: UUID) -> None:
        async with self._slots:
            keeping = await self._answer(one)
            if keeping is not None:
                opened = self.db.transaction(actor=Actor.service("catalog"), request_id=self.context.request_id)
                async with opened as tx:
                    await keeping(tx)

    async def _answer(self, one: UUID) -> Keeping | None:
        """What keeps the answer; None when there is no such thing."""
        raise NotImplementedError


class Standings(Questions):
    """Asks identity about stores."""

    def __init__(self, db: Database, identity: IdentityClient, context: CallContext) -> None:
        super().__init__(db, context)
        self._identity = identity

    async def _answer(self, one: UUID) -> Keeping | None:
        store = await self._identity.store(one, self.context)
        return partial(keep_store, store=store) if store else None


class Uploads(Questions):
    """Asks media about media of the store that acts. Another store's has the same effect as none (P20)."""

    def __init__(self, db: Database, media: MediaClient, context: CallContext) -> None:
        super().__init__(db, context)
        self._media = media

    async def _answer(self, one: UUID) -> Keeping | None:
        medium = await self._media.medium(one, self.context)
        if medium is None or medium.store_id != self.context.store_id:
            return None
        return partial(keep_medium, medium=medium)


async def look_before_use(ask: Uploads, scope: StoreScope, *uses: Use) -> None:
    """Have the projection know what media says of every named medium that would be refused."""
    media_ids = [media_id for use in uses for media_id in use.media_ids]
    if not media_ids:
        return
    async with ask.db.reader() as reader:
        known = await known_media(reader, media_ids)
    await ask.ask(unusable(uses, known, scope.store_id))


async def readable(media: MediaClient, product: Detail, context: CallContext) -> str:
    """The product as JSON text with URLs to read what has no public one; without them when media does not answer."""
    if not product.private:
        return product.text
    try:
        return product.with_urls(await media.read_urls(product.private, hurried(context, READ_URLS_SECONDS)))
    except Unavailable:
        return product.text


async def browse(
    ask: Standings, scope: StoreScope, *, state: str, sort: SortName, filters: Filters, paging: Paging
) -> Page[str]:
    """A page of the market. `state` must be the buyer's own."""
    page, home = await _browse(ask.db, scope, state=state, sort=sort, filters=filters, paging=paging)
    if not page.rows and home is None:
        await ask.ask([scope.store_id])
        page, home = await _browse(ask.db, scope, state=state, sort=sort, filters=filters, paging=paging)
    if not page.rows and home != state:
        raise StateConflict("state_mismatch", "the state is not the store's own")
    return page


async def _browse(
    db: Database, scope: StoreScope, *, state: str, sort: SortName, filters: Filters, paging: Paging
) -> tuple[Page[str], str | None]:
    """The page, and the store's state where it matters: rows are found only in the store's own state."""
    async with db.reader() as reader:
        page = await market.browse(reader, scope, state=state, sort=sort, filters=filters, paging=paging)
        if page.rows:
            return page, state
        return page, await market.state_of(reader, scope.store_id)


async def product(ask: Standings, scope: StoreScope, product_id: UUID) -> Detail:
    """One product of the market; 404 for whatever this store may not see."""
    async with ask.db.reader() as reader:
        found = await market.product(reader, scope, product_id)
        if found is None and await market.state_of(reader, scope.store_id) is not None:
            raise NotFound
    if found is None:
        await ask.ask([scope.store_id])
        async with ask.db.reader() as reader:
            found = await market.product(reader, scope, product_id)
    if found is None:
        raise NotFound
    return found


async def quote(ask: Standings, request: QuoteRequest) -> QuoteAnswer:
    """Prices of a cart; stores nothing."""
    known, stores = await _look(ask.db, request)
    missing = [item.product_id for item in request.items if item.product_id not in known]
    if missing:
        raise NotFound
    doubtful = _doubtful(request, known, stores)
    if doubtful:
        await ask.ask(doubtful)
        known, stores = await _look(ask.db, request)
    if names_a_stranger(request, known, stores):
        raise NotFound
    return quote_answer(request, known, stores)


async def _look(db: Database, request: QuoteRequest) -> tuple[dict[UUID, Goods], dict[UUID, Standing]]:
    vendors = {item.vendor_store_id for item in request.items}
    async with db.reader() as reader:
        known = await goods(reader, [item.product_id for item in request.items])
        sellers = {product["store_id"] for product in known.values()}
        return known, await standings(reader, sorted({request.buyer_store_id, *vendors, *sellers}))


def _doubtful(request: QuoteRequest, known: dict[UUID, Goods], stores: dict[UUID, Standing]) -> Sequence[UUID]:
    """Vendors that would be refused, and the buyer's own store when it is not known."""
    sellers = {known[item.product_id]["store_id"] for item in request.items} & {
        i.vendor_store_id for i in request.items
    }
    sellers.discard(request.buyer_store_id)
    doubtful = {store_id for store_id in sellers if is_doubtful(stores.get(store_id))}
    if request.buyer_store_id not in stores:
        doubtful.add(request.buyer_store_id)
    return sorted(doubtful)


async def reserve_checkout(ask: Standings, command: ReserveCommand, *, actor: Actor) -> str:
    """Decide every line of a checkout, once, and answer the decision as JSON text."""
    decided = await _reserve(ask, command, actor, asked=())
    if decided.answer is None:
        await ask.ask(decided.doubted)
        everyone = {line.vendor_store_id for line in command.lines}
        decided = await _reserve(ask, command, actor, asked=everyone)
    if decided.answer is None:
        raise RuntimeError("a reserve that doubts nobody was not decided")
    return decided.answer


async def _reserve(ask: Standings, command: ReserveCommand, actor: Actor, *, asked: Collection[UUID]) -> Reserved:
    async with ask.db.transaction(actor=actor, request_id=ask.context.request_id) as tx:
        return await reserve(tx, command, asked=asked)
