"""People who come through the gateway: the demo, the seed and the end-to-end tests speak through them.

An actor knows only the public API: its bearer token, its store, and the paths of the specification. Every write carries
an idempotency key of its own unless the caller hands one in.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import uuid4

import httpx

from packhouse.eventually import eventually
from packhouse.files import PDF, PNG, document, picture

ARRIVES_WITHIN = 10.0
LOOKS_EVERY = 0.1
PAGES_MAX = 50
PASSWORD = "correct-horse-9-battery"  # noqa: S105  a login of the local stack, printed by the demo
OKLAHOMA_CITY = {"line1": "100 N Broadway Ave", "city": "Oklahoma City", "state": "OK", "postal_code": "73102"}


class UnexpectedAnswerError(Exception):
    """The gateway answered something else than the actor's story says; the text holds the whole answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the gateway: `data` of a success, `error` of a refusal."""

    status: int
    data: Any
    error: Mapping[str, Any]
    headers: Mapping[str, str]

    @classmethod
    def of(cls, response: httpx.Response) -> Self:
        body = response.json() if response.content and "json" in response.headers.get("content-type", "") else {}
        return cls(response.status_code, body.get("data"), body.get("error") or {}, response.headers)

    @property
    def ok(self) -> bool:
        return self.status < httpx.codes.BAD_REQUEST

    @property
    def reason(self) -> str | None:
        return self.error.get("reason")

    def expect(self, status: int) -> Any:
        """The data of an answer that must have this status; raises `UnexpectedAnswerError` otherwise."""
        if self.status != status:
            raise UnexpectedAnswerError(f"expected {status}, got {self.status}: {dict(self.error) or self.data}")
        return self.data


class Visitor:
    """Somebody with an HTTP client and perhaps a token."""

    def __init__(self, http: httpx.AsyncClient, *, email: str | None = None) -> None:
        self.http = http
        self.email = email or f"visitor-{uuid4().hex[:12]}@example.net"
        self.token: str | None = None
        self.refresh_token: str | None = None
        self.store_id: str | None = None

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Reply:
        """Send one request; writes get a fresh idempotency key when none is given. A new token is kept."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if method in {"POST", "PUT", "PATCH"}:
            headers["Idempotency-Key"] = key or uuid4().hex
        response = await self.http.request(method, path, json=body, headers=headers, params=params)
        self.token = response.headers.get("X-PF-Token", self.token)
        return Reply.of(response)

    async def get(self, path: str, **params: Any) -> Reply:
        return await self.ask("GET", path, params=params or None)

    async def post(self, path: str, body: Any = None, *, key: str | None = None) -> Reply:
        return await self.ask("POST", path, body, key=key)

    async def put(self, path: str, body: Any = None, *, key: str | None = None) -> Reply:
        return await self.ask("PUT", path, body, key=key)

    async def logs_in(self, password: str = PASSWORD) -> Reply:
        reply = await self.post("/api/v1/auth/login", {"email": self.email, "password": password})
        if reply.ok:
            self.store_id, self.refresh_token = reply.data["active_store_id"], reply.data["refresh_token"]
        return reply

    async def accepts(self, invite_token: str, password: str = PASSWORD) -> Reply:
        """Come into a store by its invitation, with the account that the e-mail has or by making one."""
        reply = await self.post("/api/v1/auth/accept-invite", {"token": invite_token, "password": password})
        if reply.ok:
            self.store_id, self.refresh_token = reply.data["active_store_id"], reply.data["refresh_token"]
        return reply

    async def logs_out(self) -> Reply:
        return await self.post("/api/v1/auth/logout")


class Member(Visitor):
    """The owner of one store."""

    store_type = "buyer"
    licence_type = "dispensary"

    def __init__(self, http: httpx.AsyncClient, company_name: str, *, email: str | None = None) -> None:
        super().__init__(http, email=email)
        self.company_name = company_name

    async def registers(
        self, *, first_name: str = "Sam", last_name: str = "Reed", address: Mapping[str, Any] | None = None
    ) -> Reply:
        body = {
            "first_name": first_name,
            "last_name": last_name,
            "email": self.email,
            "password": PASSWORD,
            "company_name": self.company_name,
            "store_type": self.store_type,
            "address": dict(address or OKLAHOMA_CITY),
            "accept_tos": True,
        }
        reply = await self.post("/api/v1/auth/register", body)
        if reply.ok:
            self.store_id, self.refresh_token = reply.data["active_store_id"], reply.data["refresh_token"]
        return reply

    async def invites(self, email: str, role: str, *, first_name: str = "Kim", last_name: str = "Vale") -> Reply:
        body = {"email": email, "first_name": first_name, "last_name": last_name, "role": role}
        return await self.post("/api/v1/stores/me/users/invite", body)

    async def gives_role(self, user_id: str, role: str) -> Reply:
        return await self.ask("PATCH", f"/api/v1/stores/me/users/{user_id}", {"role": role})

    async def removes(self, user_id: str) -> Reply:
        return await self.ask("DELETE", f"/api/v1/stores/me/users/{user_id}")

    async def presigns(self, kind: str, size_bytes: int, mime_type: str, *, file_name: str) -> Reply:
        body = {"media_kind": kind, "mime_type": mime_type, "file_name": file_name, "size_bytes": size_bytes}
        return await self.post("/api/v1/media/presign", body)

    async def sends(self, signed: Mapping[str, Any], data: bytes) -> httpx.Response:
        """Put the bytes where a presign said, with the headers that it said; no token of ours goes along."""
        return await self.http.put(signed["signed_put_url"], content=data, headers=signed["headers"])

    async def uploads(self, kind: str, data: bytes, mime_type: str, *, file_name: str | None = None) -> str:
        """The id of a new medium of the store, once its file has arrived and was found to be what it should be."""
        name = file_name or f"{uuid4().hex}.{mime_type.rpartition('/')[2]}"
        signed = (await self.presigns(kind, len(data), mime_type, file_name=name)).expect(200)
        (await self.sends(signed, data)).raise_for_status()
        media_id: str = signed["media_id"]

        async def arrived() -> bool:
            medium = await self.sees_medium(media_id)
            return medium is not None and medium["status"] == "uploaded"

        await eventually(arrived, within=ARRIVES_WITHIN, every=LOOKS_EVERY)
        return media_id

    async def sees_medium(self, media_id: str) -> Mapping[str, Any] | None:
        """One of the store's latest hundred media as its list shows it."""
        items = (await self.get("/api/v1/media", limit=100)).expect(200)["items"]
        return next((one for one in items if one["id"] == media_id), None)

    async def deletes_medium(self, media_id: str) -> Reply:
        return await self.ask("DELETE", f"/api/v1/media/{media_id}")

    async def adds_licence(self, media_id: str, number: str, *, expires_on: str | None = None) -> Reply:
        body = {"media_id": media_id, "issuing_state": "OK", "type": self.licence_type, "number": number}
        return await self.post("/api/v1/licenses", body | ({"expiration_date": expires_on} if expires_on else {}))

    async def removes_licence(self, licence_id: str) -> Reply:
        return await self.ask("DELETE", f"/api/v1/licenses/{licence_id}")

    async def proves_itself(
        self, number: str, *, scan: str | None = None, expires_on: str | None = None
    ) -> Mapping[str, Any]:
        """A licence with that number, which waits for its review; its scan says whose it is or what `scan` says."""
        page = document("State of Oklahoma", f"Licence {number}", scan or self.company_name)
        media_id = await self.uploads("license_doc", page, PDF, file_name=f"licence-{number}.pdf")
        licence: Mapping[str, Any] = (await self.adds_licence(media_id, number, expires_on=expires_on)).expect(201)
        return licence


class Vendor(Member):
    """A grower or brand: lists products, keeps stock, decides orders."""

    store_type = "vendor"
    licence_type = "grower"

    def __init__(self, http: httpx.AsyncClient, company_name: str, *, email: str | None = None) -> None:
        super().__init__(http, company_name, email=email)
        self._picture: str | None = None
        self._camera = asyncio.Lock()

    async def lists(self, product: Mapping[str, Any]) -> Reply:
        """Offer a product; one that names no picture shows the vendor's own."""
        pictures = product["media_ids"] or [await self.has_picture()]
        return await self.post("/api/v1/vendor/products", {**product, "media_ids": pictures})

    async def has_picture(self) -> str:
        """The id of the picture that stands for all goods of this vendor, uploaded when it is first asked for."""
        async with self._camera:
            if self._picture is None:
                self._picture = await self.uploads("product", picture(self.company_name), PNG)
        return self._picture

    async def sets_stock(self, product_id: str, available_qty: int) -> Reply:
        return await self.put(f"/api/v1/inventory/{product_id}", {"available_qty": available_qty})

    async def sees_stock(self, product_id: str) -> Mapping[str, Any]:
        """The vendor's own view of one product's inventory."""
        product = (await self.get(f"/api/v1/vendor/products/{product_id}")).expect(200)
        inventory: Mapping[str, Any] = product["inventory"]
        return inventory

    async def sees_orders(self, **filters: Any) -> Sequence[Mapping[str, Any]]:
        orders: Sequence[Mapping[str, Any]] = (await self.get("/api/v1/orders", **filters)).expect(200)["orders"]
        return orders

    async def decides(self, order_id: str, decision: str) -> Reply:
        return await self.post(f"/api/v1/vendor/orders/{order_id}/decision", {"decision": decision})


class Buyer(Member):
    """A dispensary: browses, fills a cart, checks out."""

    async def browses(self, **filters: Any) -> Sequence[Mapping[str, Any]]:
        reply = await self.get("/api/v1/products", **{"state": "OK", **filters})
        products: Sequence[Mapping[str, Any]] = reply.expect(200)["products"]
        return products

    async def fills_cart(self, wanted: Mapping[tuple[str, str], int]) -> Reply:
        """Put the wanted quantities, by (product id, vendor store id), into the cart in place of what was there."""
        items = [
            {"product_id": product, "vendor_store_id": vendor, "quantity": quantity}
            for (product, vendor), quantity in wanted.items()
        ]
        return await self.post("/api/v1/cart", {"items": items})

    async def checks_out(self, cart_id: str, *, key: str | None = None, tip_cents: int = 0) -> Reply:
        body = {
            "cart_id": cart_id,
            "shipping_address": dict(OKLAHOMA_CITY),
            "tip_cents": tip_cents,
            "payment_method": "cash",
        }
        return await self.post("/api/v1/checkout", body, key=key)

    async def sees_orders(self, **filters: Any) -> Sequence[Mapping[str, Any]]:
        orders: Sequence[Mapping[str, Any]] = (await self.get("/api/v1/orders", **filters)).expect(200)["orders"]
        return orders


class Admin(Visitor):
    """The house: reviews licences, and grants standing to stores."""

    async def registers(self, *, first_name: str = "Ada", last_name: str = "House") -> Reply:
        body = {"email": self.email, "password": PASSWORD, "first_name": first_name, "last_name": last_name}
        return await self.post("/api/v1/admin/auth/register", body)

    async def logs_in(self, password: str = PASSWORD) -> Reply:
        reply = await self.post("/api/v1/admin/auth/login", {"email": self.email, "password": password})
        if reply.ok:
            self.refresh_token = reply.data["refresh_token"]
        return reply

    async def sees_licences(self, status: str = "pending") -> Sequence[Mapping[str, Any]]:
        """All of that status, of all stores, the oldest first."""
        found: list[Mapping[str, Any]] = []
        place: dict[str, str] = {}
        for _ in range(PAGES_MAX):
            page = (await self.get("/api/v1/admin/licenses", status=status, limit=100, **place)).expect(200)
            found += page["items"]
            if page["pagination"]["next"] is None:
                return found
            place = {"cursor": page["pagination"]["next"]}
        raise UnexpectedAnswerError(f"more than {PAGES_MAX} pages of {status} licences")

    async def verifies(self, licence_id: str) -> Reply:
        return await self.post(f"/api/v1/admin/licenses/{licence_id}/verify", {"decision": "verified"})

    async def rejects(self, licence_id: str, reason: str) -> Reply:
        body = {"decision": "rejected", "reason": reason}
        return await self.post(f"/api/v1/admin/licenses/{licence_id}/verify", body)

    async def grants_standing(self, store_id: str, *, subscribed: bool, verified: bool = True) -> Reply:
        """Verified and subscribed as an audited exception (spec 2.4): without licence, without payment."""
        body = {
            "kyc_override": "verified" if verified else None,
            "subscription_override": "active" if subscribed else None,
            "reason": "local stack: granted by hand",
        }
        return await self.put(f"/api/v1/admin/stores/{store_id}/standing", body)


def product(sku: str, title: str, **facts: Any) -> dict[str, Any]:
    """A creation request with sensible facts; `facts` replace them. `Vendor.lists` adds a picture when it has none."""
    return {
        "sku": sku,
        "title": title,
        "category": "flower",
        "classification": "hybrid",
        "feelings": ["relaxed"],
        "flavors": ["citrus"],
        "usage": ["stress_relief"],
        "unit": "gram",
        "moq": 1,
        "price_cents": 1_500,
        "inventory": {"available_qty": 100},
        "media_ids": [],
        **facts,
    }
