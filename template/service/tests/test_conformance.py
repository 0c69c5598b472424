"""What is true of every service."""

from newservice.manifest import SERVICE
from testkit.conformance import Conformance


class TestConformance(Conformance):
    service = SERVICE
