"""The table of contents of media."""

from datetime import timedelta

from chassis.floor import Floor
from chassis.manifest import Job, Service
from contracts.catalog import CatalogMediaAttached, CatalogMediaDetached
from contracts.identity import IdentityMediaAttached, IdentityMediaDetached
from contracts.media import MediaChanged
from media import consumers, jobs, listener
from media.api import internal
from media.api import media as members
from media.clients.gcs import GcsAccount, GcsSigner, GcsStorage
from media.clients.notices import NoticesClient, PubSubNotices
from media.clients.references import HttpReferences, ReferencesClient
from media.clients.storage import Signer, StorageClient
from media.queries import media_snapshots
from media.repo.tables import METADATA
from media.settings import Settings

OWNERS = ("identity",)
"""Who can hold a protected reference; billing, with its advertisements, is not built yet."""


def _settings(floor: Floor) -> Settings:
    assert isinstance(floor.settings, Settings)  # noqa: S101  the manifest names this class
    return floor.settings


async def _storage_answers(floor: Floor) -> None:
    await floor.client(StorageClient).ping()


async def _pubsub_answers(floor: Floor) -> None:
    await floor.client(NoticesClient).ping()


SERVICE = Service(
    name="media",
    settings=Settings,
    metadata=METADATA,
    routers=(members.router, internal.router),
    emits={MediaChanged},
    consumes={
        IdentityMediaAttached: consumers.keep_attachment,
        IdentityMediaDetached: consumers.end_attachment,
        CatalogMediaAttached: consumers.keep_attachment,
        CatalogMediaDetached: consumers.end_attachment,
    },
    jobs={
        "finalise-deletes": Job(every=timedelta(minutes=1), run=jobs.finalise_deletes),
        "retry-failed-deletes": Job(every=timedelta(hours=1), run=jobs.retry_failed_deletes),
        "clear-stale-uploads": Job(every=timedelta(days=1), run=jobs.clear_stale_uploads),
        "sweep-strays": Job(every=timedelta(days=1), run=jobs.sweep_strays),
        "forget-notices": Job(every=timedelta(days=1), run=jobs.forget_notices),
    },
    parts={"storage-listener": listener.listen},
    clients={
        GcsAccount: lambda floor: GcsAccount(_settings(floor)),
        Signer: lambda floor: GcsSigner(floor.client(GcsAccount), _settings(floor)),
        StorageClient: lambda floor: GcsStorage(floor.client(GcsAccount), _settings(floor)),
        NoticesClient: lambda floor: PubSubNotices(_settings(floor)),
        ReferencesClient: lambda floor: HttpReferences([floor.calls(name) for name in OWNERS]),
    },
    snapshots={MediaChanged: media_snapshots},
    checks={"storage": _storage_answers, "pubsub": _pubsub_answers},
)
