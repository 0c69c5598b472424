"""What the wire sees. Requests are checked by these models; answers are JSON that PostgreSQL built in their shape."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, WithJsonSchema

from catalog.domain.goods import Category, Classification, Feeling, Flavor, Unit, Usage
from catalog.domain.media import GALLERY_MAX
from catalog.queries.listing import Filters, Paging, SortName
from chassis.web import CLEAN, Body, Cents, PageQuery, Percent, Quantity, State
from kernel.money import CENTS_MAX

BODY_HTML_MAX = 20_000
TIERS_MAX = 50

Sku = Annotated[str, Field(min_length=1, max_length=64), CLEAN]
Title = Annotated[str, Field(min_length=1, max_length=200), CLEAN]
Short = Annotated[str, Field(max_length=255), CLEAN]
Html = Annotated[str, Field(max_length=BODY_HTML_MAX), CLEAN]
AtLeastOne = Annotated[Quantity, Field(ge=1)]
Potency = Annotated[Decimal, Field(ge=0, le=100, max_digits=5, decimal_places=2)]
CentsAsked = Annotated[int, Field(ge=0, le=CENTS_MAX)]
"""Cents in a query string, which knows text only."""
Share = Annotated[Decimal, WithJsonSchema({"type": "number"})]
Feelings = Annotated[list[Feeling], Field(min_length=1, max_length=len(Feeling))]
Flavors = Annotated[list[Flavor], Field(min_length=1, max_length=len(Flavor))]
Usages = Annotated[list[Usage], Field(min_length=1, max_length=len(Usage))]


class TierBody(Body):
    min_qty: AtLeastOne
    discount_percent: Percent


Tiers = Annotated[list[TierBody], Field(max_length=TIERS_MAX)]


class StockBody(Body):
    available_qty: Quantity
    low_stock_threshold: Quantity = 0


class ProductCreate(Body):
    sku: Sku
    title: Title
    subtitle: Short | None = None
    body_html: Html | None = None
    category: Category
    feelings: Feelings
    flavors: Flavors
    usage: Usages
    strain: Short | None = None
    classification: Classification | None = None
    unit: Unit
    moq: AtLeastOne
    max_qty: Quantity = 0
    price_cents: Cents
    compare_at_price_cents: Cents | None = None
    is_active: bool = True
    is_featured: bool = False
    thc_percent: Potency | None = None
    cbd_percent: Potency | None = None
    batch_id: Short | None = None
    metric_tag: Short | None = None
    barcode: Short | None = None
    packaging_type: Short | None = None
    coa_media_id: UUID | None = None
    inventory: StockBody
    media_ids: Annotated[list[UUID], Field(min_length=1, max_length=GALLERY_MAX)]
    volume_discounts: Tiers = Field(default_factory=list)


def _absent() -> Any:
    """Stands for a field that was not sent; null is refused where a product cannot do without the field."""


class ProductChange(Body):
    sku: Sku = Field(default_factory=_absent)
    title: Title = Field(default_factory=_absent)
    subtitle: Short | None = None
    body_html: Html | None = None
    category: Category = Field(default_factory=_absent)
    feelings: Feelings = Field(default_factory=_absent)
    flavors: Flavors = Field(default_factory=_absent)
    usage: Usages = Field(default_factory=_absent)
    strain: Short | None = None
    classification: Classification | None = None
    unit: Unit = Field(default_factory=_absent)
    moq: AtLeastOne = Field(default_factory=_absent)
    max_qty: Quantity = Field(default_factory=_absent)
    price_cents: Cents = Field(default_factory=_absent)
    compare_at_price_cents: Cents | None = None
    is_active: bool = Field(default_factory=_absent)
    is_featured: bool = Field(default_factory=_absent)
    thc_percent: Potency | None = None
    cbd_percent: Potency | None = None
    batch_id: Short | None = None
    metric_tag: Short | None = None
    barcode: Short | None = None
    packaging_type: Short | None = None
    coa_media_id: UUID | None = None
    volume_discounts: Tiers = Field(default_factory=_absent)


class PictureAdd(Body):
    """Without a position the picture comes last; with one, those from there on move up."""

    media_id: UUID
    position: Annotated[int, Field(strict=True, ge=0, lt=GALLERY_MAX)] | None = None


class InventorySet(Body):
    available_qty: Quantity
    low_stock_threshold: Quantity = Field(default_factory=_absent)
    expected_version: AtLeastOne | None = None


class ProductQuery(PageQuery):
    """Filters of every list of products."""

    category: Category | None = None
    classification: Classification | None = None
    price_min_cents: CentsAsked | None = None
    price_max_cents: CentsAsked | None = None
    thc_min: Percent | None = None
    thc_max: Percent | None = None
    cbd_min: Percent | None = None
    cbd_max: Percent | None = None
    has_promo: bool | None = None
    q: Annotated[str, Field(max_length=100), CLEAN] | None = None
    sort: SortName = "newest"

    def filters(self) -> Filters:
        return Filters(**{name: getattr(self, name, None) for name in Filters.__slots__})

    def paging(self) -> Paging:
        return Paging(self.limit, self.cursor, self.with_total)


class MarketQuery(ProductQuery):
    state: State
    vendor_store_id: UUID | None = None
    deliverable: bool | None = None


class InventoryQuery(PageQuery):
    low_stock: bool | None = None

    def paging(self) -> Paging:
        return Paging(self.limit, self.cursor, self.with_total)


class MovementQuery(PageQuery):
    def paging(self) -> Paging:
        return Paging(self.limit, self.cursor, self.with_total)


class VendorSummary(BaseModel):
    vendor_store_id: UUID
    vendor_name: str
    logo_gcs_key: str | None
    logo_url: str | None


class StockSummary(BaseModel):
    """`reserved_qty` and `low_stock_threshold` are told to the product's own vendor only."""

    available_qty: int
    reserved_qty: int | None = None
    low_stock_threshold: int | None = None
    updated_at: datetime


class ProductSummary(BaseModel):
    id: UUID
    sku: str
    title: str
    subtitle: str | None
    category: Category
    classification: Classification | None
    unit: Unit
    moq: int
    max_qty: int
    price_cents: int
    compare_at_price_cents: int | None
    thc_percent: Share | None
    cbd_percent: Share | None
    has_promo: bool
    vendor_store_id: UUID
    vendor: VendorSummary
    coa_added: bool
    thumbnail_url: str | None
    inventory: StockSummary
    created_at: datetime
    updated_at: datetime


class Tier(BaseModel):
    id: UUID
    min_qty: int
    discount_percent: Share
    created_at: datetime


class Picture(BaseModel):
    id: UUID
    media_id: UUID
    url: str | None
    gcs_key: str
    position: int
    created_at: datetime


class Product(ProductSummary):
    store_id: UUID
    body_html: str | None
    batch_id: str | None
    metric_tag: str | None
    barcode: str | None
    packaging_type: str | None
    feelings: list[Feeling]
    flavors: list[Flavor]
    usage: list[Usage]
    strain: str | None
    is_active: bool
    is_featured: bool
    volume_discounts: list[Tier]
    media: list[Picture]
    coa_media_id: UUID | None
    coa_read_url: str | None


class Stock(BaseModel):
    product_id: UUID
    available_qty: int
    reserved_qty: int
    low_stock_threshold: int
    version: int
    updated_at: datetime


class StockedProduct(BaseModel):
    product: ProductSummary
    available_qty: int
    reserved_qty: int
    low_stock_threshold: int
    version: int
    updated_at: datetime


class Movement(BaseModel):
    id: UUID
    kind: Literal["initial", "set", "reserve", "release", "consume"]
    available_delta: int
    reserved_delta: int
    order_id: UUID | None
    actor_user_id: UUID | None
    created_at: datetime
