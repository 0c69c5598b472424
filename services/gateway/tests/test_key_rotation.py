"""Identity's keys go from next to current to previous to gone, and nobody notices (spec 1.6, F-A5)."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from gateway_house import House

from chassis.auth import KeyRing, SigningKey, rotate_ring
from chassis.auth.access import ACCESS_SECONDS
from contracts.identity import SessionState

PRODUCTS = "/api/v1/products"
ROTATIONS = 6
CLIENTS = 4
ANSWERS_A_STEP = 16
STEPS = [timedelta(minutes=2.5)] * 5 + [timedelta(hours=24)]
"""After each rotation: ten minutes until the key signs, then as long as its predecessor stays."""


@dataclass
class Load:
    """Clients that ask with new tokens and with older ones, as long as these are good."""

    house: House
    ring: KeyRing
    state: SessionState
    answered: int = 0
    kids: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    tokens: list[tuple[str, float]] = field(default_factory=list)

    def now(self) -> float:
        return self.house.floor.clock.now().timestamp()

    def token(self) -> tuple[str, float]:
        """One of the last 15 minutes, the oldest first; each is used a few times."""
        now = self.now()
        self.house.identity.key = self.ring.signing(now)
        self.kids.add(self.house.identity.key.kid)
        self.tokens.append((self.house.token(self.state, now=now), now + ACCESS_SECONDS))
        self.tokens = [(token, over) for token, over in self.tokens[-100:] if over > now]
        return self.tokens[self.answered % len(self.tokens)]

    async def asks(self) -> None:
        token, over = self.token()
        answer = await self.house.client.get(PRODUCTS, headers={"Authorization": f"Bearer {token}"})
        self.answered += 1
        if answer.status_code != 200 and over > self.now():
            self.refused.append(answer.text)

    async def goes_on(self) -> None:
        while True:
            await self.asks()

    async def reaches(self, answers: int) -> None:
        while self.answered < answers:  # noqa: ASYNC110  the clients do not know of each other
            await asyncio.sleep(0.005)


@pytest.fixture
def path(house: House, tmp_path: Path) -> Path:
    path = tmp_path / "access.jwk.json"
    house.identity.key.save(path)
    house.identity.ring = KeyRing(path)
    return path


@pytest.mark.plant("a predecessor that leaves at once")
async def test_six_key_rotations_under_load_refuse_no_good_token(house: House, path: Path) -> None:
    ring = KeyRing(path)
    load = Load(house, ring, await house.session())
    first = ring.signing(load.now())
    clients = [asyncio.create_task(load.goes_on()) for _ in range(CLIENTS)]
    for _ in range(ROTATIONS):
        rotate_ring(path, now=load.now())
        for step in STEPS:
            house.floor.clock.turn(step)
            await load.reaches(load.answered + ANSWERS_A_STEP)
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    assert load.refused == []
    assert len(load.kids) == ROTATIONS + 1
    assert [jwk["kid"] for jwk in ring.published(load.now())["keys"]] == [ring.signing(load.now()).kid]
    house.identity.key = first
    stolen = await house.client.get(PRODUCTS, headers=_bearer(house.token(load.state, now=load.now())))
    assert stolen.status_code == 401, "a key that is gone signs nothing any more"


async def test_a_key_signs_as_soon_as_it_is_published_for_a_gateway_that_has_never_seen_it(
    house: House, path: Path
) -> None:
    """Ten minutes pass between the two; a gateway that slept through them asks for the key it lacks."""
    state = await house.session()
    assert (await house.get(PRODUCTS, state)).status_code == 200
    house.identity.key = rotate_ring(path, now=house.floor.clock.now().timestamp())
    house.floor.clock.turn(timedelta(minutes=10))
    now = house.floor.clock.now().timestamp()
    assert (await house.client.get(PRODUCTS, headers=_bearer(house.token(state, now=now)))).status_code == 200


async def test_random_kids_make_the_gateway_ask_for_keys_once_in_ten_seconds(house: House) -> None:
    state = await house.session()
    assert (await house.get(PRODUCTS, state)).status_code == 200
    fetches = [house.identity.key_fetches]
    for _ in range(3):
        await _is_refused(house, [_token_of(house, SigningKey.generate(), state) for _ in range(50)])
        fetches.append(house.identity.key_fetches)
        await _is_refused(house, [_token_of(house, SigningKey.generate(), state) for _ in range(50)])
        fetches.append(house.identity.key_fetches)
        house.floor.clock.turn(timedelta(seconds=10))
    assert fetches == [1, 1, 1, 2, 2, 3, 3]
    assert (await house.get(PRODUCTS, state)).status_code == 200, "who is known never waits for the keys of strangers"


async def _is_refused(house: House, tokens: list[str]) -> None:
    answers = await asyncio.gather(*(house.client.get(PRODUCTS, headers=_bearer(token)) for token in tokens))
    assert {answer.status_code for answer in answers} == {401}


def _token_of(house: House, key: SigningKey, state: SessionState) -> str:
    house.identity.key, own = key, house.identity.key
    try:
        return house.token(state)
    finally:
        house.identity.key = own


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
