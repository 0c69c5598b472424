"""Who may call what, as spec 1.5, 1.7 and 5.3 say it: the table the service is built from, compared word by word."""

from datetime import timedelta

from chassis.web import MEMBER, OMP, OMPS, door_table
from kernel.scope import StoreType
from orders.manifest import SERVICE

ROLES = {
    ("POST", "/api/v1/cart"): (OMP, None, True),
    ("PUT", "/api/v1/cart"): (OMP, None, True),
    ("GET", "/api/v1/cart"): (MEMBER, None, False),
    ("DELETE", "/api/v1/cart"): (OMP, None, False),
    ("POST", "/api/v1/checkout"): (OMP, None, True),
    ("GET", "/api/v1/checkout/{group_or_cart_id}/confirmation"): (MEMBER, None, False),
    ("GET", "/api/v1/orders"): (MEMBER, None, False),
    ("GET", "/api/v1/orders/{order_id}"): (MEMBER, None, False),
    ("GET", "/api/v1/orders/{order_id}/timeline"): (MEMBER, None, False),
    ("POST", "/api/v1/orders/{order_id}/cancel"): (OMP, None, False),
    ("POST", "/api/v1/orders/{order_id}/nudge"): (OMP, None, False),
    ("POST", "/api/v1/orders/{order_id}/retry"): (OMP, None, True),
    ("POST", "/api/v1/vendor/orders/{order_id}/decision"): (OMP, StoreType.VENDOR, False),
    ("POST", "/api/v1/vendor/orders/{order_id}/line-items/decision"): (OMP, StoreType.VENDOR, False),
    ("POST", "/api/v1/vendor/orders/{order_id}/fulfill"): (OMPS, StoreType.VENDOR, False),
}
ADMINS = ("POST", "/api/v1/admin/orders/{order_id}/cancel")
KEYS = {
    ("POST", "/api/v1/cart"): timedelta(days=1),
    ("PUT", "/api/v1/cart"): timedelta(days=1),
    ("POST", "/api/v1/checkout"): timedelta(days=7),
    ("POST", "/api/v1/orders/{order_id}/cancel"): timedelta(days=7),
    ("POST", "/api/v1/orders/{order_id}/nudge"): timedelta(days=1),
    ("POST", "/api/v1/orders/{order_id}/retry"): timedelta(days=7),
    ("POST", "/api/v1/vendor/orders/{order_id}/decision"): timedelta(days=7),
    ("POST", "/api/v1/vendor/orders/{order_id}/line-items/decision"): timedelta(days=7),
    ("POST", "/api/v1/vendor/orders/{order_id}/fulfill"): timedelta(days=7),
    ("POST", "/api/v1/admin/orders/{order_id}/cancel"): timedelta(days=7),
}


def test_table_of_roles_on_cart_checkout_cancel_retry_decisions() -> None:
    callers = {(door.method, door.path): door.callers for door in door_table(SERVICE)}
    stores = {route: who for route, who in callers.items() if who.who == "store"}
    assert {route: (who.roles, who.type, who.verified) for route, who in stores.items()} == ROLES
    assert [route for route, who in callers.items() if who.who not in {"store", "service"}] == [ADMINS]
    assert callers[ADMINS].who == "admin"


def test_key_required_on_each_listed_route() -> None:
    required = {(door.method, door.path): door.key.keep for door in door_table(SERVICE) if door.key.kind == "required"}
    assert required == KEYS
