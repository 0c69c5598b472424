"""Who may call what, as spec 1.5, 1.7 and 5.3 say it: the table the service is built from, compared word by word."""

from datetime import timedelta

from chassis.web import MEMBER, OMP, door_table
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
    ("POST", "/api/v1/vendor/orders/{order_id}/decision"): (OMP, StoreType.VENDOR, False),
}
KEYS = {
    ("POST", "/api/v1/cart"): timedelta(days=1),
    ("PUT", "/api/v1/cart"): timedelta(days=1),
    ("POST", "/api/v1/checkout"): timedelta(days=7),
    ("POST", "/api/v1/vendor/orders/{order_id}/decision"): timedelta(days=7),
}


def test_table_of_roles_on_cart_checkout_and_decisions() -> None:
    public = {(door.method, door.path): door.callers for door in door_table(SERVICE) if door.callers.who != "service"}
    assert {route: (who.roles, who.type, who.verified) for route, who in public.items()} == ROLES


def test_key_required_on_each_listed_route() -> None:
    required = {(door.method, door.path): door.key.keep for door in door_table(SERVICE) if door.key.kind == "required"}
    assert required == KEYS
