"""The owner of stores, asked before anything is refused on the word of the projection (spec 1.9)."""

from typing import Protocol
from uuid import UUID

from chassis.calls import CallContext, ServiceClient
from contracts.identity import StoreChanged
from kernel.refusal import NotFound, Unavailable


class IdentityClient(Protocol):
    async def store(self, store_id: UUID, context: CallContext) -> StoreChanged | None:
        """The store as it is now; None when there is none. Raises `Unavailable` when identity does not answer."""


class HttpIdentity:
    def __init__(self, calls: ServiceClient) -> None:
        self._calls = calls

    async def store(self, store_id: UUID, context: CallContext) -> StoreChanged | None:
        try:
            return await self._calls.read(f"/internal/v1/stores/{store_id}", model=StoreChanged, context=context)
        except NotFound:
            return None


class FakeIdentity:
    """Answers from memory; `away` makes it unreachable, `asked` tells which stores were asked about."""

    def __init__(self) -> None:
        self.stores: dict[UUID, StoreChanged] = {}
        self.asked: list[UUID] = []
        self.away = False

    async def store(self, store_id: UUID, context: CallContext) -> StoreChanged | None:  # noqa: ARG002  the port's shape
        if self.away:
            raise Unavailable("identity")
        self.asked.append(store_id)
        return self.stores.get(store_id)
