"""What is true of every service is true of this one."""

from identity.manifest import SERVICE
from testkit.conformance import Conformance

from .conftest import CHEAP


class TestConformance(Conformance):
    service = SERVICE
    settings = CHEAP
