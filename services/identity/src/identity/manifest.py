"""The table of contents of identity."""

from datetime import timedelta

from chassis.floor import Floor
from chassis.limits import Limits
from chassis.manifest import Command, Job, Service
from contracts.identity import (
    IdentityMediaAttached,
    IdentityMediaDetached,
    LicenseExpired,
    LicenseExpiringSoon,
    LicenseStatusChanged,
    SecurityAlert,
    StoreChanged,
    UserChanged,
)
from contracts.media import MediaChanged
from identity import consumers, jobs, queries
from identity.api import admin, auth, commands, internal, licences, members, passwords, stores
from identity.clients.access_keys import AccessKeys
from identity.clients.geocoder import Geocoder, ZipGeocoder
from identity.clients.hot_copies import HotCopies
from identity.clients.mail import Mailer, mailer_of
from identity.clients.media import HttpMedia, MediaClient
from identity.clients.passwords import Passwords
from identity.domain.tokens import Secret
from identity.repo.tables import METADATA
from identity.settings import Settings


def _settings(floor: Floor) -> Settings:
    assert isinstance(floor.settings, Settings)  # noqa: S101  the manifest names this class
    return floor.settings


SERVICE = Service(
    name="identity",
    settings=Settings,
    metadata=METADATA,
    routers=(
        auth.router,
        auth.keys,
        passwords.router,
        stores.router,
        members.router,
        licences.router,
        admin.router,
        licences.house,
        internal.router,
    ),
    emits={
        StoreChanged,
        UserChanged,
        SecurityAlert,
        LicenseStatusChanged,
        LicenseExpiringSoon,
        LicenseExpired,
        IdentityMediaAttached,
        IdentityMediaDetached,
    },
    consumes={MediaChanged: consumers.keep_media_view},
    jobs={
        "geocode-stores": Job(every=timedelta(minutes=1), run=jobs.geocode_stores),
        "expire-overrides": Job(every=timedelta(minutes=1), run=jobs.expire_overrides),
        "expire-licences": Job(every=timedelta(hours=1), run=jobs.expire_licences),
        "purge-licences": Job(every=timedelta(days=1), run=jobs.purge_licences),
        "clean-invites": Job(every=timedelta(days=1), run=jobs.clean_invites),
        "pay-hot-copies": Job(every=timedelta(seconds=1), run=jobs.pay_hot_copies),
    },
    clients={
        AccessKeys: lambda floor: AccessKeys.of(_settings(floor)),
        Geocoder: lambda _: ZipGeocoder(),
        HotCopies: lambda floor: HotCopies(floor.redis),
        Limits: lambda floor: Limits.of(floor.redis, floor.settings),
        Mailer: lambda floor: mailer_of(_settings(floor)),
        MediaClient: lambda floor: HttpMedia(floor.calls("media")),
        Passwords: lambda floor: Passwords(_settings(floor)),
        Secret: lambda floor: Secret(floor.settings.hmac_secret.get_secret_value().encode()),
    },
    snapshots={StoreChanged: queries.store_snapshots, UserChanged: queries.user_snapshots},
    commands={
        "create-admin": Command("add an admin, or make an account one", commands.create_admin),
        "create-agent": Command("add an agent, or make an account one", commands.create_agent),
        "deactivate-user": Command("lock an account out and end its sessions", commands.deactivate_user),
    },
)
