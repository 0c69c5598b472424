"""The schema of catalog (spec 4.1). Counters are BIGINT: released stock may lift them above what one set can say."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, get_args
from uuid import UUID

from geoalchemy2 import Geography
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Computed,
    Index,
    Numeric,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlmodel import Field, SQLModel

from catalog.domain.goods import Category, Classification, Feeling, Flavor, Unit, Usage
from catalog.domain.stock import MovementKind, ReservationReason, ReservationState
from chassis.db import service_metadata
from chassis.db.columns import WORDS, cents, choice, counter, instant, long_text, percent, quantity, short_text
from contracts.media import MediaKind, MediaStatus
from kernel.scope import Kyc, StoreType

METADATA = service_metadata("catalog")

LIVE = text("deleted_at is null")
LISTED = text("is_active and deleted_at is null")
"""The products a buyer may find; every index of the marketplace holds only these."""


class Table(SQLModel):
    metadata = METADATA


def words(values: Iterable[StrEnum]) -> Any:
    """text[] whose elements are values of the enum, at least one."""
    listed = ", ".join(f"'{value}'" for value in values)
    check = f"cardinality({{column}}) > 0 and {{column}} <@ array[{listed}]::text[]"
    info = {"check": check, WORDS: list(values)}
    return Field(sa_type=ARRAY(Text), sa_column_kwargs={"info": info, "nullable": False})


def flag(*, default: bool) -> Any:
    return Field(sa_type=Boolean, sa_column_kwargs={"nullable": False, "server_default": text(str(default).lower())})


def potency() -> Any:
    """A share of the weight, in percent with two places."""
    check = "{column} between 0 and 100"
    return Field(default=None, sa_type=Numeric(5, 2), sa_column_kwargs={"info": {"check": check}})


def new_uuid() -> Any:
    return Field(sa_type=Uuid, primary_key=True, sa_column_kwargs={"server_default": text("gen_random_uuid()")})


def computed(condition: str) -> Any:
    """A flag that the table itself keeps."""
    return Field(
        sa_type=Boolean, sa_column_args=[Computed(condition, persisted=True)], sa_column_kwargs={"nullable": False}
    )


class StoreView(Table, table=True):
    """identity's stores as `store_changed` tells them. `is_visible` says whether the store may sell at all."""

    __tablename__ = "stores"
    store_id: UUID = Field(primary_key=True)
    source_epoch: int = counter()
    version: int = counter(start=0)
    deleted: bool = flag(default=False)
    type: str = choice(StoreType)
    company_name: str = long_text()
    dba_name: str | None = long_text(default=None)
    kyc_status: str = choice(Kyc)
    subscription_override: str | None = choice(["active"], default=None)
    subscription_active: bool = flag(default=False)
    state: str = long_text()
    geom: Any = Field(
        default=None, sa_type=Geography("POINT", srid=4326, spatial_index=False), sa_column_kwargs={"nullable": True}
    )
    delivery_radius_meters: int = quantity()
    logo_gcs_key: str | None = long_text(default=None)
    logo_url: str | None = long_text(default=None)
    is_visible: bool = computed(
        "type = 'vendor' and kyc_status = 'verified' and not deleted"
        " and (subscription_active or subscription_override is not null)"
    )
    updated_at: datetime = instant()
    __table_args__ = (
        Index("ix_stores_geom", "geom", postgresql_using="gist"),
        Index("ix_stores_source_epoch", "source_epoch"),
        Index(
            "ix_stores_vendors",
            "state",
            "kyc_status",
            "subscription_active",
            postgresql_where=text("type = 'vendor'"),
        ),
    )


class MediumView(Table, table=True):
    """media's media as `media_changed` tells them. What is gone is shown by nothing any more."""

    __tablename__ = "media"
    media_id: UUID = Field(primary_key=True)
    source_epoch: int = counter()
    version: int = counter(start=0)
    deleted: bool = flag(default=False)
    store_id: UUID
    kind: str = choice(get_args(MediaKind))
    status: str = choice(get_args(MediaStatus))
    mime_type: str = long_text()
    gcs_key: str = long_text()
    public_url: str | None = long_text(default=None)
    is_gone: bool = computed("deleted or status = 'deleted'")
    updated_at: datetime = instant()
    __table_args__ = (Index("ix_media_source_epoch", "source_epoch"),)


class Product(Table, table=True):
    """`visible_in` is the state whose buyers may see the product's vendor; null while it is hidden (ADR 0008).

    `thumbnail_url` is the public URL of the first image in its gallery (ADR 0016).
    """

    __tablename__ = "products"
    id: UUID = Field(primary_key=True)
    store_id: UUID
    sku: str = short_text(longest=64)
    title: str = short_text(longest=200)
    subtitle: str | None = short_text(default=None)
    body_html: str | None = long_text(default=None)
    category: str = choice(Category)
    feelings: list[str] = words(Feeling)
    flavors: list[str] = words(Flavor)
    usage: list[str] = words(Usage)
    strain: str | None = short_text(default=None)
    classification: str | None = choice(Classification, default=None)
    unit: str = choice(Unit)
    moq: int = quantity(least=1)
    max_qty: int = quantity()
    price_cents: int = cents(least=0)
    compare_at_price_cents: int | None = cents(least=0, default=None)
    is_active: bool = flag(default=True)
    is_featured: bool = flag(default=False)
    thc_percent: Decimal | None = potency()
    cbd_percent: Decimal | None = potency()
    coa_media_id: UUID | None = None
    coa_attachment_id: UUID | None = None
    coa_added: bool = computed("coa_media_id is not null")
    thumbnail_url: str | None = long_text(default=None)
    batch_id: str | None = short_text(default=None)
    metric_tag: str | None = short_text(default=None)
    barcode: str | None = short_text(default=None)
    packaging_type: str | None = short_text(default=None)
    visible_in: str | None = long_text(default=None)
    version: int = counter()
    deleted_at: datetime | None = instant(now=False, default=None)
    created_at: datetime = instant()
    updated_at: datetime = instant()
    __table_args__ = (
        CheckConstraint("max_qty = 0 or max_qty >= moq", name="max_qty_fits_moq"),
        Index("uq_products_store_id_sku", "store_id", "sku", unique=True, postgresql_where=LIVE),
        Index("ix_products_store_newest", "store_id", "created_at", "id", postgresql_where=LIVE),
        Index("ix_products_store_active", "store_id", "is_active"),
        Index("ix_products_newest", "visible_in", "created_at", "id", postgresql_where=LISTED),
        Index("ix_products_price", "visible_in", "price_cents", "id", postgresql_where=LISTED),
        Index("ix_products_title", "visible_in", text("lower(title)"), "id", postgresql_where=LISTED),
        Index("ix_products_category", "visible_in", "category", "created_at", "id", postgresql_where=LISTED),
        Index("ix_products_coa_media_id", "coa_media_id", postgresql_where=text("coa_media_id is not null")),
        Index(
            "ix_products_search",
            "title", "sku",
            postgresql_using="gin",
            postgresql_ops={"title": "gin_trgm_ops", "sku": "gin_trgm_ops"},
        ),
    )  # fmt: skip


class ProductPicture(Table, table=True):
    """A picture in a product's gallery; its id names the attachment. Positions count from 0 without gaps.

    They are checked when a statement ends, so that one statement can move several.
    """

    __tablename__ = "product_media"
    id: UUID = Field(primary_key=True)
    product_id: UUID = Field(foreign_key="catalog.products.id")
    media_id: UUID
    url: str | None = long_text(default=None)
    gcs_key: str = long_text()
    position: int = quantity()
    created_at: datetime = instant()
    __table_args__ = (
        UniqueConstraint("product_id", "position", deferrable=True, initially="IMMEDIATE"),
        UniqueConstraint("product_id", "media_id"),
        Index("ix_product_media_media_id", "media_id"),
    )


class VolumeDiscount(Table, table=True):
    __tablename__ = "product_volume_discounts"
    id: UUID = new_uuid()
    store_id: UUID
    product_id: UUID = Field(foreign_key="catalog.products.id")
    min_qty: int = quantity(least=1)
    discount_percent: Decimal = percent()
    created_at: datetime = instant()
    __table_args__ = (UniqueConstraint("product_id", "min_qty"),)


class InventoryItem(Table, table=True):
    __tablename__ = "inventory_items"
    product_id: UUID = Field(primary_key=True, foreign_key="catalog.products.id")
    available_qty: int = counter(start=0)
    reserved_qty: int = counter(start=0)
    low_stock_threshold: int = quantity()
    version: int = counter()
    updated_at: datetime = instant()
    __table_args__ = ({"postgresql_with": {"fillfactor": "80"}},)


class InventoryMovement(Table, table=True):
    """Append-only: one row for every change of the counters, so that they can be proved."""

    __tablename__ = "inventory_movements"
    id: UUID = new_uuid()
    product_id: UUID
    kind: str = choice(MovementKind)
    available_delta: int = Field(sa_type=BigInteger)
    reserved_delta: int = Field(sa_type=BigInteger)
    reservation_id: UUID | None = None
    actor_user_id: UUID | None = None
    created_at: datetime = instant()
    __table_args__ = (
        Index("ix_inventory_movements_product", "product_id", "created_at", "id"),
        {"info": {"app": "select, insert"}},
    )


class Checkout(Table, table=True):
    """What was decided of a checkout, once: whoever inserts the row decides, everybody else reads.

    `aborted` without reservations is a tombstone: the checkout never committed, and never will.
    """

    __tablename__ = "checkouts"
    checkout_id: UUID = Field(primary_key=True)
    outcome: str = choice(["decided", "aborted"])
    created_at: datetime = instant()
    __table_args__ = ({"info": {"app": "select, insert"}},)


class Reservation(Table, table=True):
    """The stock taken, or refused, for one line. It has no foreign key to products: a refused line may name none."""

    __tablename__ = "reservations"
    id: UUID = Field(primary_key=True)
    checkout_id: UUID
    line_id: UUID
    order_id: UUID | None = None
    product_id: UUID
    vendor_store_id: UUID
    buyer_store_id: UUID
    qty: int = quantity(least=1)
    state: str = choice(ReservationState)
    reason: str | None = choice(ReservationReason, default=None)
    available_qty: int = counter(start=0)
    held_until: datetime | None = instant(now=False, default=None)
    created_at: datetime = instant()
    updated_at: datetime = instant()
    __table_args__ = (
        UniqueConstraint("checkout_id", "line_id"),
        Index("ix_reservations_state_held_until", "state", "held_until"),
        Index("ix_reservations_order_id", "order_id"),
        {"info": {"app": "select, insert, update"}},
    )
