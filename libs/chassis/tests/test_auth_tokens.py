"""No token is believed that one of our own keys has not signed for exactly this use (spec 1.6, F-A1, F-A10)."""

import json
import time
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from chassis.auth import (
    AccessClaims,
    Context,
    SigningKey,
    Trust,
    bearer,
    init_keys,
    kid_of,
    mint_access,
    mint_context,
    mint_service_token,
    trust_path,
    verify_access,
    verify_context,
    verify_service_token,
)
from kernel.refusal import Unauthenticated
from kernel.scope import Kyc, Role, StoreType, SystemRole
from testkit.hostile import Forge

USER = UUID("0192f000-0000-7000-8000-000000000001")
SID = UUID("0192f000-0000-7000-8000-000000000002")
STORE = UUID("0192f000-0000-7000-8000-000000000003")
KEY = SigningKey.generate()
KEYS = {KEY.kid: KEY.private.public_key()}
CLAIMS = AccessClaims(
    user_id=USER,
    sid=SID,
    jti="jti-1",
    store_id=STORE,
    store_type=StoreType.BUYER,
    role=Role.OWNER,
    system_role=SystemRole.ADMIN,
)
CONTEXT = Context(
    request_id="r-1",
    user_id=USER,
    sid=SID,
    store_id=STORE,
    store_type=StoreType.BUYER,
    kyc_status=Kyc.VERIFIED,
    role=Role.OWNER,
    system_role=SystemRole.AGENT,
)
HERE: dict[str, Any] = {"audience": "orders", "method": "GET", "path": "/api/v1/cart"}


def payload(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=="))
    return claims


def access_forge() -> Forge:
    scope = {"active_store_id", "store_type", "role", "system_role"}
    return Forge(KEY, "at+jwt", payload(mint_access(KEY, CLAIMS)), optional=scope)


def context_forge(key: SigningKey = KEY) -> Forge:
    known = {"sub", "sid", "store_id", "store_type", "kyc_status", "role", "system_role"}
    return Forge(key, "pf-ctx+jwt", payload(mint_context(key, CONTEXT, **HERE)), optional=known)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("keys")
    init_keys(made, ["gateway", "orders", "catalog"])
    return made


@pytest.fixture(scope="module")
def trust(directory: Path) -> Trust:
    return Trust(trust_path(directory))


def key_of(directory: Path, service: str) -> SigningKey:
    return SigningKey.load(directory / f"packhouse-{service}.jwk.json")


def refusal_of(token: str | None, **options: Any) -> str | None:
    with pytest.raises(Unauthenticated) as refused:
        verify_access(KEYS, token, **options)
    return refused.value.reason


HOSTILE = list(access_forge().all_kinds())
"""Names only: each token is forged when its test runs, because some are hostile by their time."""


def test_there_are_at_least_38_hostile_kinds_and_the_token_they_are_forged_from_is_good() -> None:
    assert len(HOSTILE) >= 38
    assert verify_access(KEYS, access_forge().good()).user_id == USER


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.plant("typ check removed")
def test_a_hostile_access_token_is_refused(kind: str) -> None:
    expected = "token_expired" if kind == "time over" else "token_invalid"
    assert refusal_of(access_forge().all_kinds()[kind]) == expected


@pytest.mark.parametrize("kind", context_forge().all_kinds())
def test_a_hostile_context_token_is_refused(kind: str, trust: Trust, directory: Path) -> None:
    token = context_forge(key_of(directory, "gateway")).all_kinds()[kind]
    with pytest.raises(Unauthenticated):
        verify_context(trust, token, **HERE)


def test_an_access_token_says_what_was_minted() -> None:
    verified = verify_access(KEYS, mint_access(KEY, CLAIMS, now=1_000_000), now=1_000_100)
    assert verified == AccessClaims(
        **{name: getattr(CLAIMS, name) for name in ("user_id", "sid", "jti", "store_id", "store_type", "role")},
        system_role=SystemRole.ADMIN,
        issued_at=1_000_000,
        expires_at=1_000_900,
    )


def test_clock_skew_of_30_seconds_is_allowed_and_no_more() -> None:
    token = mint_access(KEY, CLAIMS, now=1_000_000)
    assert verify_access(KEYS, token, now=1_000_929)
    assert verify_access(KEYS, token, now=999_971)
    assert refusal_of(token, now=1_000_930) == "token_expired"
    assert refusal_of(token, now=999_969) == "token_invalid"


def test_an_expired_token_is_still_read_where_refresh_and_logout_ask_for_it() -> None:
    token = mint_access(KEY, CLAIMS, now=time.time() - 86_400)
    assert verify_access(KEYS, token, allow_expired=True).sid == SID
    assert refusal_of(token) == "token_expired"


@pytest.mark.parametrize("token", [None, ""])
def test_no_token_is_told_apart_from_a_bad_one(token: str | None) -> None:
    assert refusal_of(token) == "token_missing"


def test_the_key_of_a_token_is_looked_up_and_never_taken_from_it() -> None:
    stranger = SigningKey.generate()
    assert refusal_of(mint_access(stranger, CLAIMS)) == "token_invalid"
    assert kid_of(mint_access(stranger, CLAIMS)) == stranger.kid
    assert kid_of("a.b.c") is None


def test_a_context_says_what_the_gateway_found(trust: Trust, directory: Path) -> None:
    key = key_of(directory, "gateway")
    assert verify_context(trust, mint_context(key, CONTEXT, **HERE), **HERE) == CONTEXT
    anonymous = Context(request_id="r-2")
    assert verify_context(trust, mint_context(key, anonymous, **HERE), **HERE) == anonymous


@pytest.mark.parametrize(
    "elsewhere", [{"audience": "catalog"}, {"method": "POST"}, {"path": "/api/v1/cart/"}, {"path": "/api/v1/checkout"}]
)
def test_a_context_is_good_for_one_service_method_and_path(
    elsewhere: dict[str, str], trust: Trust, directory: Path
) -> None:
    token = mint_context(key_of(directory, "gateway"), CONTEXT, **HERE)
    with pytest.raises(Unauthenticated):
        verify_context(trust, token, **{**HERE, **elsewhere})


def test_a_context_lives_a_minute(trust: Trust, directory: Path) -> None:
    token = mint_context(key_of(directory, "gateway"), CONTEXT, **HERE, now=1_000_000)
    assert verify_context(trust, token, **HERE, now=1_000_059)
    with pytest.raises(Unauthenticated, match="token_expired"):
        verify_context(trust, token, **HERE, now=1_000_066)


def test_only_the_gateway_can_sign_a_context(trust: Trust, directory: Path) -> None:
    for service in ("orders", "catalog"):
        with pytest.raises(Unauthenticated):
            verify_context(trust, mint_context(key_of(directory, service), CONTEXT, **HERE), **HERE)


def test_a_service_token_names_who_asks_and_for_whom(trust: Trust, directory: Path) -> None:
    token = mint_service_token(
        key_of(directory, "orders"),
        issuer="orders",
        audience="catalog",
        request_id="r-3",
        act_user_id=USER,
        act_store_id=STORE,
    )
    caller = verify_service_token(trust, token, audience="catalog")
    assert (caller.name, caller.act_user_id, caller.act_store_id, caller.request_id) == ("orders", USER, STORE, "r-3")
    with pytest.raises(Unauthenticated):
        verify_service_token(trust, token, audience="identity")


def test_a_service_cannot_speak_for_another(trust: Trust, directory: Path) -> None:
    orders = key_of(directory, "orders")
    forged = mint_service_token(orders, issuer="catalog", audience="catalog", request_id="r")
    stranger = mint_service_token(SigningKey.generate(), issuer="orders", audience="catalog", request_id="r")
    for token in (forged, stranger, None, mint_context(orders, CONTEXT, **{**HERE, "audience": "catalog"})):
        with pytest.raises(Unauthenticated):
            verify_service_token(trust, token, audience="catalog")


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer abc", "abc"), ("bearer  abc ", "abc"), ("Basic abc", None), ("Bearer", None), ("", None), (None, None)],
)
def test_the_bearer_is_read_from_its_scheme_only(header: str | None, token: str | None) -> None:
    assert bearer(header) == token
