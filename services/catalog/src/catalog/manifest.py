"""The table of contents of catalog."""

from datetime import timedelta

from catalog import commands, consumers, jobs
from catalog.api import browse, internal, inventory, vendor
from catalog.clients.identity import HttpIdentity, IdentityClient
from catalog.clients.media import HttpMedia, MediaClient
from catalog.clients.orders import HttpOrders, OrdersClient
from catalog.queries.vendor import product_snapshots
from catalog.repo.tables import METADATA
from catalog.settings import Settings
from chassis.manifest import Command, Job, Service
from contracts.catalog import CatalogMediaAttached, CatalogMediaDetached, ProductChanged
from contracts.identity import StoreChanged
from contracts.media import MediaChanged
from contracts.orders import CheckoutAborted, OrderCanceled, OrderCreated, OrderDecided, OrderExpired

SERVICE = Service(
    name="catalog",
    settings=Settings,
    metadata=METADATA,
    routers=(browse.router, vendor.router, inventory.router, internal.router),
    emits={ProductChanged, CatalogMediaAttached, CatalogMediaDetached},
    consumes={
        StoreChanged: consumers.keep_store_view,
        MediaChanged: consumers.keep_media_view,
        OrderCreated: consumers.confirm_holds,
        OrderDecided: consumers.release_rejected,
        OrderCanceled: consumers.release_canceled,
        OrderExpired: consumers.release_expired,
        CheckoutAborted: consumers.abort_checkout,
    },
    jobs={"sweep-reservations": Job(every=timedelta(minutes=1), run=jobs.sweep_reservations)},
    clients={
        IdentityClient: lambda floor: HttpIdentity(floor.calls("identity")),
        MediaClient: lambda floor: HttpMedia(floor.calls("media")),
        OrdersClient: lambda floor: HttpOrders(floor.calls("orders")),
    },
    snapshots={ProductChanged: product_snapshots},
    commands={"stock": Command(help="stock reconcile: prove that counters equal their rows", run=commands.stock)},
)
