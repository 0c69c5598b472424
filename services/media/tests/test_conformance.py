"""What is true of every service."""

from typing import ClassVar

from media.clients.notices import FakeNotices, NoticesClient
from media.clients.references import FakeReferences, ReferencesClient
from media.clients.storage import FakeStorage, Signer, StorageClient
from media.manifest import SERVICE
from testkit.conformance import Conformance

from .conftest import SETTINGS

STORAGE = FakeStorage()


class TestConformance(Conformance):
    service = SERVICE
    settings = SETTINGS
    clients: ClassVar = {
        StorageClient: STORAGE,
        Signer: STORAGE,
        NoticesClient: FakeNotices(),
        ReferencesClient: FakeReferences(),
    }
