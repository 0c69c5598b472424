"""No forged token gets past the gateway, and none makes it ask anybody for a key (reliability F-A1)."""

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from gateway_house import House

from chassis.auth import SigningKey, mint_context, mint_service_token
from chassis.auth.contexts import Context
from chassis.ids import new_id
from contracts.identity import SessionState
from gateway.domain.heads import HEAD_BYTES_MAX
from testkit.hostile import Forge

PRODUCTS = "/api/v1/products"
OPTIONAL = frozenset({"active_store_id", "store_type", "role", "system_role"})


def forge(key: SigningKey, token: str, port: int = 9) -> Forge:
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
    return Forge(key, "at+jwt", claims, optional=OPTIONAL, canary_port=port)


def _kinds() -> list[str]:
    from chassis.auth import AccessClaims, mint_access

    key = SigningKey.generate()
    claims = AccessClaims(user_id=new_id(), sid=new_id(), jti="j", store_id=new_id())
    return list(forge(key, mint_access(key, claims)).all_kinds())


@dataclass
class Canary:
    """Listens where the headers of hostile tokens point to."""

    port: int = 0
    calls: int = 0

    async def answered(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.calls += 1
        writer.close()


@pytest.fixture(scope="module")
async def canary() -> AsyncIterator[Canary]:
    bird = Canary()
    server = await asyncio.start_server(bird.answered, "127.0.0.1", 0)
    bird.port = server.sockets[0].getsockname()[1]
    yield bird
    server.close()


@pytest.fixture(scope="module")
async def victim(shared_house: House) -> SessionState:
    return await shared_house.session()


async def ask(house: House, token: str) -> httpx.Response:
    return await house.client.get(PRODUCTS, headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("kind", _kinds())
async def test_a_hostile_token_is_401_and_fetches_nothing(
    kind: str, shared_house: House, victim: SessionState, canary: Canary
) -> None:
    """One that is longer than a head may be is not even read."""
    forger = forge(shared_house.identity.key, shared_house.token(victim), canary.port)
    seen = len(shared_house.catalog.seen)
    token = forger.all_kinds()[kind]
    response = await ask(shared_house, token)
    refusal = (401, "UNAUTHORIZED") if len(token) < HEAD_BYTES_MAX else (400, "VALIDATION_ERROR")
    assert (response.status_code, response.json()["error"]["code"]) == refusal
    assert (len(shared_house.catalog.seen), canary.calls) == (seen, 0)
    assert (await ask(shared_house, forger.good())).status_code == 200


async def test_a_thousand_unknown_kids_cause_one_fetch_of_the_key_set(house: House) -> None:
    state = await house.session()
    assert (await house.get(PRODUCTS, state)).status_code == 200
    before = house.identity.key_fetches
    forger = forge(house.identity.key, house.token(state))
    answers = [await ask(house, forger.with_header(kid=f"kid-{number}")) for number in range(100)]
    assert {answer.status_code for answer in answers} == {401}
    assert house.identity.key_fetches - before <= 1


async def test_tokens_of_the_house_itself_open_nothing_from_outside(house: House) -> None:
    state = await house.session()
    key = house.floor.signing_key
    context = Context(request_id="r", user_id=state.user_id, store_id=state.store_id)
    inside = {
        "context": mint_context(key, context, audience="catalog", method="GET", path=PRODUCTS),
        "service": mint_service_token(key, issuer="gateway", audience="catalog", request_id="r"),
    }
    for token in inside.values():
        assert (await ask(house, token)).status_code == 401
        assert (await house.client.get(PRODUCTS, headers={"X-PF-Context": token})).status_code == 401
    assert not house.catalog.seen
