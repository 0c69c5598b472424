"""What is true of every service, of catalog."""

from catalog.clients.identity import FakeIdentity, IdentityClient
from catalog.clients.media import FakeMedia, MediaClient
from catalog.clients.orders import FakeOrders, OrdersClient
from catalog.manifest import SERVICE
from testkit.conformance import Conformance


class TestConformance(Conformance):
    service = SERVICE
    clients = {IdentityClient: FakeIdentity(), OrdersClient: FakeOrders(), MediaClient: FakeMedia()}  # noqa: RUF012  as the class asks
