"""A valid body for every public operation that takes one, with every id that it may name."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from packhouse.actors import OKLAHOMA_CITY, PASSWORD, product
from packhouse.files import PNG


def valid_bodies(ids: Mapping[str, str]) -> dict[str, Any]:
    """By operation name, for a caller who has these ids; an id it has none of is a new one."""

    def own(name: str) -> str:
        return ids.get(name) or str(uuid4())

    fresh = uuid4().hex[:12]
    person = {"first_name": "Sam", "last_name": "Reed", "email": f"body-{fresh}@example.net", "password": PASSWORD}
    profile = {name: own(name) for name in ("logo_media_id", "banner_media_id")} | {"description": "Wholesale"}
    goods = product(f"SKU-{fresh}", "Body", media_ids=[own("media_id")], coa_media_id=own("coa_media_id"))
    file = {"media_kind": "product", "mime_type": PNG, "file_name": f"{fresh}.png", "size_bytes": 100}
    licence = {"media_id": own("scan_media_id"), "issuing_state": "OK", "type": "grower", "number": fresh}
    cart = {
        "items": [{"product_id": own("product_id"), "vendor_store_id": own("vendor_store_id"), "quantity": 1}],
        "vendor_promos": [{"vendor_store_id": own("vendor_store_id"), "code": "NONE"}],
        "buyer_store_id": own("store_id"),
    }
    standing = {"kyc_override": "verified", "subscription_override": None, "reason": "a test"}
    store = {"company_name": f"Body {fresh}", "store_type": "buyer", "address": OKLAHOMA_CITY, "accept_tos": True}
    guest = {name: person[name] for name in ("first_name", "last_name", "email")}
    checkout = {"cart_id": own("cart_id"), "shipping_address": OKLAHOMA_CITY, "payment_method": "cash"}
    return {
        "POST /api/public/validate": {"name": "Sam", "email": "sam@example.net"},
        "POST /api/v1/auth/register": person | store,
        "POST /api/v1/auth/login": {"email": person["email"], "password": PASSWORD},
        "POST /api/v1/auth/refresh": {"refresh_token": "A" * 43},
        "POST /api/v1/auth/switch-store": {"store_id": own("store_id")},
        "POST /api/v1/auth/accept-invite": {"token": "A" * 43, "password": PASSWORD},
        "POST /api/v1/stores/me/users/invite": guest | {"role": "staff"},
        "PATCH /api/v1/stores/me/users/{user_id}": {"role": "staff"},
        "POST /api/v1/auth/update-password": {"old_password": f"not {PASSWORD}", "new_password": f"new {PASSWORD}"},
        "POST /api/v1/auth/forgot-password": {"email": person["email"]},
        "POST /api/v1/auth/reset-password": {"token": "A" * 43, "password": PASSWORD},
        "POST /api/v1/admin/auth/login": {"email": person["email"], "password": PASSWORD},
        "POST /api/v1/admin/auth/register": person,
        "PUT /api/v1/admin/stores/{store_id}/standing": standing,
        "POST /api/v1/admin/stores/{store_id}/suspend": {"reason": "a test"},
        "POST /api/v1/admin/stores/{store_id}/reinstate": {"reason": "a test"},
        "PUT /api/v1/stores/me": profile,
        "PATCH /api/v1/stores/me": profile,
        "POST /api/v1/vendor/products": goods,
        "PATCH /api/v1/vendor/products/{product_id}": {"title": "Body", "coa_media_id": own("coa_media_id")},
        "POST /api/v1/vendor/products/{product_id}/media": {"media_id": own("media_id"), "position": 1},
        "POST /api/v1/media/presign": file,
        "POST /api/v1/licenses": licence | {"issue_date": "2026-01-01", "expiration_date": "2030-12-31"},
        "POST /api/v1/admin/licenses/{license_id}/verify": {"decision": "rejected", "reason": "a test"},
        "PUT /api/v1/inventory/{product_id}": {"available_qty": 50},
        "POST /api/v1/cart": cart,
        "PUT /api/v1/cart": cart,
        "POST /api/v1/checkout": checkout,
        "POST /api/v1/orders/{order_id}/cancel": {"reason": "a test"},
        "POST /api/v1/admin/orders/{order_id}/cancel": {"reason": "a test"},
        "POST /api/v1/vendor/orders/{order_id}/decision": {"decision": "accept"},
        "POST /api/v1/vendor/orders/{order_id}/line-items/decision": {
            "line_item_id": own("line_item_id"),
            "decision": "accept",
        },
    }
