from testkit.conformance import Conformance
from testkit.sample.bench import VERSIONS
from testkit.sample.manifest import SERVICE


class TestSample(Conformance):
    service = SERVICE
    versions = VERSIONS
