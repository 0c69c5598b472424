"""Tokens, stores and addresses that are believed too easily."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import replace
from typing import Any
from uuid import UUID

from chassis.auth import tokens
from chassis.db import Tx
from planted.registry import plant, replace_everywhere, replaced


@plant("typ check removed", evidence="DID NOT RAISE")
def any_typ() -> None:
    opened = tokens.opened

    def lenient(keys: Mapping[str, Any], token: str | None, typ: str) -> dict[str, Any]:
        return opened(keys, token, tokens._header(token)["typ"] if token else typ)

    replace_everywhere(tokens, "opened", lenient)


@plant("one endpoint without the store filter", evidence="KeyError: .error.")
def foreign_orders() -> None:
    from orders.queries import orders

    orders._DETAIL = replaced(
        orders._DETAIL, "$2 in (orders.buyer_store_id, orders.vendor_store_id)", "$2::uuid is not null"
    )


@plant("client X-Store-Id trusted", evidence="0192f000-0000-7000-8000-000000000003")
def trusted_header() -> None:
    from gateway.api import edge

    said: ContextVar[str | None] = ContextVar("said", default=None)
    forwarded, context_of = edge.forwarded, edge._context

    def listening(headers: Any) -> Any:
        said.set(next((value.decode() for name, value in headers if name == b"x-store-id"), None))
        return forwarded(headers)

    def believing(request_id: str, session: Any) -> Any:
        context = context_of(request_id, session)
        return replace(context, store_id=UUID(said.get())) if said.get() else context

    edge.forwarded, edge._context = listening, believing


@plant("first X-Forwarded-For trusted", evidence="6.6.6.6")
def first_address() -> None:
    from gateway.domain.addresses import ClientAddress

    def believed(_self: Any, peer: str | None, headers: Any) -> str:
        written = next((value.decode() for name, value in headers if name == b"x-forwarded-for"), "")
        return written.partition(",")[0].strip() or str(peer)

    ClientAddress.of = believed  # type: ignore[method-assign]


@plant("GET/SET refresh", evidence="409 != 200")
def read_then_rotate() -> None:
    from identity.repo import sessions

    locked, rotate = sessions.locked, sessions.rotate

    class Careless:
        """A transaction that neither locks nor asks again."""

        def __init__(self, tx: Tx) -> None:
            self._tx = tx

        async def fetchrow(self, statement: str, *given: object) -> Any:
            return await self._tx.fetchrow(replaced(statement, "for update of f", ""), *given)

        async def run(self, statement: str, *given: object) -> int:
            return await self._tx.run(replaced(statement, "and used_at is null", ""), *given)

    async def unlocked(tx: Any, sid: UUID) -> Any:
        return await locked(Careless(tx), sid)  # type: ignore[arg-type]

    async def unguarded(tx: Any, *given: Any) -> bool:
        return await rotate(Careless(tx), *given)  # type: ignore[arg-type]

    sessions.locked, sessions.rotate = unlocked, unguarded
