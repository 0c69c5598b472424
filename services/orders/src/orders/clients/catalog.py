"""Catalog, the owner of prices and stock (spec 1.10, 4.3, 4.4)."""

from typing import Protocol

from chassis.calls import CallContext, ServiceClient
from contracts.catalog import QuoteAnswer, QuoteRequest, ReserveAnswer, ReserveCommand
from kernel.ids import derived_id


class CatalogClient(Protocol):
    """Both methods raise `Unavailable` when catalog does not answer."""

    async def quote(self, request: QuoteRequest, *, context: CallContext) -> QuoteAnswer:
        """Prices, clamps and checks items; holds nothing. Raises `NotFound` for a product id that never existed."""

    async def reserve(self, command: ReserveCommand, *, context: CallContext) -> ReserveAnswer:
        """Takes stock for every line that can have it. A repeat is answered as the first time, refusals included."""


class HttpCatalog:
    """Catalog behind its internal routes."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def quote(self, request: QuoteRequest, *, context: CallContext) -> QuoteAnswer:
        return await self._client.command("/internal/v1/quotes", request, model=QuoteAnswer, context=context)

    async def reserve(self, command: ReserveCommand, *, context: CallContext) -> ReserveAnswer:
        return await self._client.command(
            "/internal/v1/reservations",
            command,
            model=ReserveAnswer,
            context=context,
            key=str(derived_id("reserve", command.checkout_id)),
        )
