"""Identity, the owner of stores: one question when this service's own view of a store is missing (spec 1.9)."""

from typing import Protocol
from uuid import UUID

from chassis.calls import CallContext, ServiceClient
from contracts.identity import StoreChanged
from kernel.refusal import NotFound


class IdentityClient(Protocol):
    async def store(self, store_id: UUID, *, context: CallContext) -> StoreChanged:
        """The store's present snapshot. Raises `NotFound`, or `Unavailable` when identity does not answer."""


class HttpIdentity:
    """Identity behind its internal routes."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def store(self, store_id: UUID, *, context: CallContext) -> StoreChanged:
        return await self._client.read(f"/internal/v1/stores/{store_id}", model=StoreChanged, context=context)


class FakeIdentity:
    """Identity in memory, for tests."""

    def __init__(self) -> None:
        self.stores: dict[UUID, StoreChanged] = {}

    async def store(self, store_id: UUID, *, context: CallContext) -> StoreChanged:  # noqa: ARG002  a fake asks nobody
        if store_id not in self.stores:
            raise NotFound
        return self.stores[store_id]
