"""What is true of every service is true of this one."""

from identity.clients.media import FakeMedia, MediaClient
from identity.manifest import SERVICE
from testkit.conformance import Conformance

from .conftest import CHEAP


class TestConformance(Conformance):
    service = SERVICE
    clients = {MediaClient: FakeMedia()}  # noqa: RUF012  as the class asks
    settings = CHEAP
