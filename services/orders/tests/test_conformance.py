"""What is true of every service."""

from orders.clients.catalog import CatalogClient
from orders.clients.fake_catalog import FakeCatalog
from orders.clients.identity import FakeIdentity, IdentityClient
from orders.manifest import SERVICE
from testkit.conformance import Conformance


class TestConformance(Conformance):
    service = SERVICE
    clients = {CatalogClient: FakeCatalog(), IdentityClient: FakeIdentity()}  # noqa: RUF012  as the class it inherits
