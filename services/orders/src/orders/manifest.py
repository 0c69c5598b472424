"""The table of contents of orders: doors in, events out, events in, clocks."""

from datetime import timedelta

from chassis.manifest import Job, Service
from contracts.identity import StoreChanged
from contracts.orders import CheckoutAborted, CheckoutConverted, OrderChanged, OrderCreated, OrderDecided
from orders import consumers, jobs
from orders.api import cart, checkout, internal, orders, vendor_orders
from orders.clients.catalog import CatalogClient, HttpCatalog
from orders.clients.identity import HttpIdentity, IdentityClient
from orders.queries.snapshots import order_snapshots
from orders.repo.tables import METADATA
from orders.settings import Settings

SERVICE = Service(
    name="orders",
    settings=Settings,
    metadata=METADATA,
    routers=(cart.router, checkout.router, orders.router, vendor_orders.router, internal.router),
    emits={OrderCreated, OrderDecided, OrderChanged, CheckoutConverted, CheckoutAborted},
    consumes={StoreChanged: consumers.keep_store_view},
    jobs={"complete-checkouts": Job(every=timedelta(seconds=5), run=jobs.complete_checkouts)},
    clients={
        CatalogClient: lambda floor: HttpCatalog(floor.calls("catalog")),
        IdentityClient: lambda floor: HttpIdentity(floor.calls("identity")),
    },
    snapshots={OrderChanged: order_snapshots},
)
