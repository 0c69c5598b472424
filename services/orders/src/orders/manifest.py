"""The table of contents of orders: doors in, events out, events in, clocks."""

from datetime import timedelta

from chassis.manifest import Job, Service
from contracts.identity import StoreChanged
from contracts.orders import (
    CheckoutAborted,
    CheckoutConverted,
    NotificationRequested,
    OrderCanceled,
    OrderChanged,
    OrderCreated,
    OrderDecided,
    OrderExpired,
    OrderPendingNudge,
    OrderReadyForDispatch,
    OrderRetried,
)
from orders import consumers, jobs
from orders.api import admin, cart, checkout, internal, orders, vendor_orders
from orders.clients.catalog import CatalogClient, HttpCatalog
from orders.clients.identity import HttpIdentity, IdentityClient
from orders.queries.snapshots import order_snapshots
from orders.repo.tables import METADATA
from orders.settings import Settings

SERVICE = Service(
    name="orders",
    settings=Settings,
    metadata=METADATA,
    routers=(cart.router, checkout.router, orders.router, vendor_orders.router, admin.router, internal.router),
    emits={
        OrderCreated,
        OrderDecided,
        OrderReadyForDispatch,
        OrderCanceled,
        OrderPendingNudge,
        OrderExpired,
        OrderRetried,
        NotificationRequested,
        OrderChanged,
        CheckoutConverted,
        CheckoutAborted,
    },
    consumes={StoreChanged: consumers.keep_store_view},
    jobs={
        "complete-checkouts": Job(every=timedelta(seconds=5), run=jobs.complete_checkouts),
        "expire-orders": Job(every=timedelta(hours=1), run=jobs.expire_orders),
    },
    clients={
        CatalogClient: lambda floor: HttpCatalog(floor.calls("catalog")),
        IdentityClient: lambda floor: HttpIdentity(floor.calls("identity")),
    },
    snapshots={OrderChanged: order_snapshots},
)
