"""What an endpoint gets: who asks, and everything it may use to answer."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends

from chassis.auth import Context, ServiceCaller
from chassis.clock import SystemClock
from chassis.db import Database, Reader
from chassis.idempotency import Claim
from chassis.settings import ServiceSettings
from chassis.web.work import RefusedWithEffect, Work
from kernel.refusal import Refusal
from kernel.scope import Actor, Kyc, Role, StoreScope, StoreType, SystemRole

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from chassis.floor import Floor
    from chassis.web.exchange import Exchange

Client = TypeVar("Client")


class Call:
    """One request at one door.

    `user_id`, `store_id` and the like are None where the door does not ask for them; `user` and `store` are the same
    ids for doors that do. `deadline` is an instant of `time.monotonic()`.
    """

    __slots__ = ("_exchange", "_floor", "actor", "claim", "context", "deadline", "keyed", "service", "status")

    def __init__(
        self, exchange: "Exchange", caller: Context | ServiceCaller, *, deadline: float, status: int, keyed: bool
    ) -> None:
        self._exchange = exchange
        self._floor = exchange.floor
        self.service: str | None = caller.name if isinstance(caller, ServiceCaller) else None
        self.context = caller if isinstance(caller, Context) else _on_behalf(caller)
        self.actor = actor_of(self.context, self.service)
        self.deadline: float | None = deadline
        self.status = status
        self.keyed = keyed
        self.claim: Claim | None = None

    @property
    def request_id(self) -> str:
        return self._exchange.request_id

    @property
    def user_id(self) -> UUID | None:
        return self.context.user_id

    @property
    def user(self) -> UUID:
        """The id of the user, for doors that ask for one."""
        if self.context.user_id is None:
            raise RuntimeError("this door does not ask for a user")
        return self.context.user_id

    @property
    def sid(self) -> UUID | None:
        return self.context.sid

    @property
    def store_id(self) -> UUID | None:
        return self.context.store_id

    @property
    def store(self) -> UUID:
        """The id of the active store, for doors that ask for one."""
        if self.context.store_id is None:
            raise RuntimeError("this door does not ask for a store")
        return self.context.store_id

    @property
    def scope(self) -> StoreScope:
        """The store whose rows this request may see."""
        return StoreScope(self.store)

    @property
    def store_type(self) -> StoreType | None:
        return self.context.store_type

    @property
    def kyc_status(self) -> Kyc | None:
        return self.context.kyc_status

    @property
    def role(self) -> Role | None:
        return self.context.role

    @property
    def system_role(self) -> SystemRole | None:
        return self.context.system_role

    @property
    def client_ip(self) -> str | None:
        """The client's address as the gateway saw it."""
        return self._exchange.header(b"x-pf-client-ip")

    @property
    def user_agent(self) -> str | None:
        return self._exchange.header(b"user-agent")

    @property
    def bearer(self) -> str | None:
        """The client's own bearer token, on the routes that read it themselves."""
        scheme, _, token = (self._exchange.header(b"authorization") or "").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None

    @property
    def db(self) -> Database:
        return self._floor.db

    @property
    def redis(self) -> "Redis":
        return self._floor.redis

    @property
    def settings(self) -> Any:
        """The service's own settings."""
        settings: ServiceSettings = self._floor.settings
        return settings

    @property
    def clock(self) -> SystemClock:
        return self._floor.clock

    @property
    def floor(self) -> "Floor":
        return self._floor

    def client(self, kind: type[Client]) -> Client:
        """The outside system the manifest registers for this type."""
        return self._floor.client(kind)

    def reader(self) -> AbstractAsyncContextManager[Reader]:
        return self._floor.db.reader()

    def transaction(self) -> AbstractAsyncContextManager[Work]:
        """The transaction of the effect and its answer. On routes that take a key it must end with `tx.answer`."""
        return self._work(finishes=self.keyed)

    def step(self) -> AbstractAsyncContextManager[Work]:
        """A transaction of a flow of several steps; it leaves the claim as it is."""
        return self._work(finishes=False)

    @asynccontextmanager
    async def _work(self, *, finishes: bool) -> AsyncIterator[Work]:
        refusal: Refusal | None = None
        opened = self._floor.db.transaction(actor=self.actor, request_id=self.request_id, kind=Work)
        async with opened as tx:
            tx.bind(self, finishes=finishes)
            try:
                yield tx
            except RefusedWithEffect as refused:
                refusal = refused.refusal
        if finishes and self.claim is not None:
            self.claim.finished = True
        if refusal is not None:
            raise refusal


def _on_behalf(caller: ServiceCaller) -> Context:
    """The ids a calling service copied from its own caller; they carry no role."""
    return Context(request_id=caller.request_id, user_id=caller.act_user_id, store_id=caller.act_store_id)


def actor_of(context: Context, service: str | None) -> Actor:
    """Who acts: a user, nobody in particular, or a service, perhaps for a user."""
    if service is not None:
        return Actor("service", service, context.user_id, context.store_id, "service")
    if context.user_id is None:
        return Actor.anonymous()
    role = context.system_role or context.role
    return Actor("user", None, context.user_id, context.store_id, role.value if role else None)


def _given_by_the_door() -> None:
    """Marks the parameter for FastAPI, which would else take it for a query parameter; doors fill it themselves."""


Caller = Annotated[Call, Depends(_given_by_the_door)]
