"""The owner of checkouts, asked what an overdue hold belongs to (spec 1.10)."""

from typing import Protocol
from uuid import UUID

from chassis.calls import CallContext, ServiceClient
from contracts.orders import ResolveAnswer
from kernel.refusal import Unavailable


class OrdersClient(Protocol):
    async def resolve(self, checkout_id: UUID, context: CallContext) -> ResolveAnswer:
        """Whether the checkout is committed, aborted or open. Raises `Unavailable` when orders does not answer."""


class HttpOrders:
    def __init__(self, calls: ServiceClient) -> None:
        self._calls = calls

    async def resolve(self, checkout_id: UUID, context: CallContext) -> ResolveAnswer:
        return await self._calls.command(
            f"/internal/v1/checkouts/{checkout_id}/resolve", model=ResolveAnswer, context=context
        )


class FakeOrders:
    """Answers from memory; a checkout it does not know is aborted, as in orders. `away` makes it unreachable."""

    def __init__(self) -> None:
        self.answers: dict[UUID, ResolveAnswer] = {}
        self.asked: list[UUID] = []
        self.away = False

    async def resolve(self, checkout_id: UUID, context: CallContext) -> ResolveAnswer:  # noqa: ARG002  the port's shape
        if self.away:
            raise Unavailable("orders")
        self.asked.append(checkout_id)
        return self.answers.get(checkout_id, ResolveAnswer(outcome="aborted"))
