"""Products with their pictures, tiers and stock, reservations, and the views of stores and media (spec 4.1)."""

from alembic import op

from chassis.db.floor import create_floor, drop_floor

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

CHECKOUTS = """
create table catalog.checkouts (
    checkout_id uuid not null,
    outcome text not null,
    created_at timestamp with time zone default clock_now() not null,
    constraint pk_checkouts primary key (checkout_id),
    constraint ck_checkouts_outcome check (outcome in ('decided', 'aborted'))
)
"""

INVENTORY_MOVEMENTS = """
create table catalog.inventory_movements (
    id uuid default gen_random_uuid() not null,
    product_id uuid not null,
    kind text not null,
    available_delta bigint not null,
    reserved_delta bigint not null,
    reservation_id uuid,
    actor_user_id uuid,
    created_at timestamp with time zone default clock_now() not null,
    constraint pk_inventory_movements primary key (id),
    constraint ck_inventory_movements_kind check (kind in ('initial', 'set', 'reserve', 'release', 'consume'))
);
create index ix_inventory_movements_product on catalog.inventory_movements (product_id, created_at, id)
"""

MEDIA = """
create table catalog.media (
    media_id uuid not null,
    source_epoch bigint default 1 not null,
    version bigint default 0 not null,
    deleted boolean default false not null,
    store_id uuid not null,
    kind text not null,
    status text not null,
    mime_type text not null,
    gcs_key text not null,
    public_url text,
    is_gone boolean generated always as (deleted or status = 'deleted') stored not null,
    updated_at timestamp with time zone default clock_now() not null,
    constraint pk_media primary key (media_id),
    constraint ck_media_source_epoch check (source_epoch >= 1),
    constraint ck_media_version check (version >= 0),
    constraint ck_media_kind
        check (kind in ('product', 'ads', 'pdf', 'license_doc', 'coa', 'manifest', 'user', 'store', 'other')),
    constraint ck_media_status
        check (status in ('pending', 'uploaded', 'processing', 'ready', 'failed', 'delete_requested',
            'deleted', 'delete_failed'))
);
create index ix_media_source_epoch on catalog.media (source_epoch)
"""

PRODUCTS = """
create table catalog.products (
    id uuid not null,
    store_id uuid not null,
    sku text not null,
    title text not null,
    subtitle text,
    body_html text,
    category text not null,
    feelings text[] not null,
    flavors text[] not null,
    usage text[] not null,
    strain text,
    classification text,
    unit text not null,
    moq bigint not null,
    max_qty bigint not null,
    price_cents bigint not null,
    compare_at_price_cents bigint,
    is_active boolean default true not null,
    is_featured boolean default false not null,
    thc_percent numeric(5, 2),
    cbd_percent numeric(5, 2),
    coa_media_id uuid,
    coa_attachment_id uuid,
    coa_added boolean generated always as (coa_media_id is not null) stored not null,
    thumbnail_url text,
    batch_id text,
    metric_tag text,
    barcode text,
    packaging_type text,
    visible_in text,
    version bigint default 1 not null,
    deleted_at timestamp with time zone,
    created_at timestamp with time zone default clock_now() not null,
    updated_at timestamp with time zone default clock_now() not null,
    constraint pk_products primary key (id),
    constraint ck_products_max_qty_fits_moq check (max_qty = 0 or max_qty >= moq),
    constraint ck_products_sku check (char_length(sku) <= 64),
    constraint ck_products_title check (char_length(title) <= 200),
    constraint ck_products_subtitle check (char_length(subtitle) <= 255),
    constraint ck_products_category
        check (category in ('flower', 'cart', 'pre_roll', 'edible', 'concentrate', 'beverage',
            'vape', 'topical', 'tincture', 'seed', 'seedling', 'accessory')),
    constraint ck_products_feelings
        check (cardinality(feelings) > 0 and feelings <@ array['relaxed', 'happy', 'euphoric',
            'focused', 'hungry', 'talkative', 'creative', 'sleepy', 'uplifted', 'calm']::text[]),
    constraint ck_products_flavors
        check (cardinality(flavors) > 0 and flavors <@ array['earthy', 'citrus', 'fruity', 'floral',
            'cheese', 'diesel', 'spicy', 'sweet', 'pine', 'herbal']::text[]),
    constraint ck_products_usage
        check (cardinality(usage) > 0 and usage <@ array['stress_relief', 'pain_relief', 'sleep',
            'depression', 'muscle_relaxant', 'nausea', 'anxiety', 'appetite_stimulation']::text[]),
    constraint ck_products_strain check (char_length(strain) <= 255),
    constraint ck_products_classification
        check (classification in ('sativa', 'hybrid', 'indica', 'cbd', 'hemp', 'balanced')),
    constraint ck_products_unit check (unit in ('unit', 'gram', 'ounce', 'pound', 'eighth', 'sixteenth')),
    constraint ck_products_moq check (moq between 1 and 2147483647),
    constraint ck_products_max_qty check (max_qty between 0 and 2147483647),
    constraint ck_products_price_cents check (price_cents between 0 and 1000000000000),
    constraint ck_products_compare_at_price_cents check (compare_at_price_cents between 0 and 1000000000000),
    constraint ck_products_thc_percent check (thc_percent between 0 and 100),
    constraint ck_products_cbd_percent check (cbd_percent between 0 and 100),
    constraint ck_products_batch_id check (char_length(batch_id) <= 255),
    constraint ck_products_metric_tag check (char_length(metric_tag) <= 255),
    constraint ck_products_barcode check (char_length(barcode) <= 255),
    constraint ck_products_packaging_type check (char_length(packaging_type) <= 255),
    constraint ck_products_version check (version >= 1)
);
create index ix_products_category on catalog.products (visible_in, category, created_at, id)
    where is_active and deleted_at is null;
create index ix_products_coa_media_id on catalog.products (coa_media_id) where coa_media_id is not null;
create index ix_products_newest on catalog.products (visible_in, created_at, id)
    where is_active and deleted_at is null;
create index ix_products_price on catalog.products (visible_in, price_cents, id)
    where is_active and deleted_at is null;
create index ix_products_search on catalog.products using gin (title gin_trgm_ops, sku gin_trgm_ops);
create index ix_products_store_active on catalog.products (store_id, is_active);
create index ix_products_store_newest on catalog.products (store_id, created_at, id) where deleted_at is null;
create index ix_products_title on catalog.products (visible_in, lower(title), id)
    where is_active and deleted_at is null;
create unique index uq_products_store_id_sku on catalog.products (store_id, sku) where deleted_at is null
"""

RESERVATIONS = """
create table catalog.reservations (
    id uuid not null,
    checkout_id uuid not null,
    line_id uuid not null,
    order_id uuid,
    product_id uuid not null,
    vendor_store_id uuid not null,
    buyer_store_id uuid not null,
    qty bigint not null,
    state text not null,
    reason text,
    available_qty bigint default 0 not null,
    held_until timestamp with time zone,
    created_at timestamp with time zone default clock_now() not null,
    updated_at timestamp with time zone default clock_now() not null,
    constraint pk_reservations primary key (id),
    constraint uq_reservations_checkout_id_line_id unique (checkout_id, line_id),
    constraint ck_reservations_qty check (qty between 1 and 2147483647),
    constraint ck_reservations_state check (state in ('held', 'confirmed', 'released', 'consumed', 'refused')),
    constraint ck_reservations_reason
        check (reason in ('insufficient_inventory', 'product_inactive', 'vendor_hidden', 'decided',
            'canceled', 'expired', 'aborted')),
    constraint ck_reservations_available_qty check (available_qty >= 0)
);
create index ix_reservations_order_id on catalog.reservations (order_id);
create index ix_reservations_state_held_until on catalog.reservations (state, held_until)
"""

STORES = """
create table catalog.stores (
    store_id uuid not null,
    source_epoch bigint default 1 not null,
    version bigint default 0 not null,
    deleted boolean default false not null,
    type text not null,
    company_name text not null,
    dba_name text,
    kyc_status text not null,
    subscription_override text,
    subscription_active boolean default false not null,
    state text not null,
    geom geography(point,4326),
    delivery_radius_meters bigint not null,
    logo_gcs_key text,
    logo_url text,
    is_visible boolean
        generated always as (
            type = 'vendor' and kyc_status = 'verified' and not deleted
            and (subscription_active or subscription_override is not null)
        ) stored not null,
    updated_at timestamp with time zone default clock_now() not null,
    constraint pk_stores primary key (store_id),
    constraint ck_stores_source_epoch check (source_epoch >= 1),
    constraint ck_stores_version check (version >= 0),
    constraint ck_stores_type check (type in ('buyer', 'vendor')),
    constraint ck_stores_kyc_status
        check (kyc_status in ('pending_verification', 'verified', 'rejected', 'expired', 'suspended')),
    constraint ck_stores_subscription_override check (subscription_override in ('active')),
    constraint ck_stores_delivery_radius_meters check (delivery_radius_meters between 0 and 2147483647)
);
create index ix_stores_geom on catalog.stores using gist (geom);
create index ix_stores_source_epoch on catalog.stores (source_epoch);
create index ix_stores_vendors on catalog.stores (state, kyc_status, subscription_active) where type = 'vendor'
"""

INVENTORY_ITEMS = """
create table catalog.inventory_items (
    product_id uuid not null,
    available_qty bigint default 0 not null,
    reserved_qty bigint default 0 not null,
    low_stock_threshold bigint not null,
    version bigint default 1 not null,
    updated_at timestamp with time zone default clock_now() not null,
    constraint pk_inventory_items primary key (product_id),
    constraint fk_inventory_items_product_id foreign key(product_id) references catalog.products (id),
    constraint ck_inventory_items_available_qty check (available_qty >= 0),
    constraint ck_inventory_items_reserved_qty check (reserved_qty >= 0),
    constraint ck_inventory_items_low_stock_threshold check (low_stock_threshold between 0 and 2147483647),
    constraint ck_inventory_items_version check (version >= 1)
) with (fillfactor = 80)
"""

PRODUCT_MEDIA = """
create table catalog.product_media (
    id uuid not null,
    product_id uuid not null,
    media_id uuid not null,
    url text,
    gcs_key text not null,
    position bigint not null,
    created_at timestamp with time zone default clock_now() not null,
    constraint pk_product_media primary key (id),
    constraint uq_product_media_product_id_position unique (product_id, position) deferrable initially immediate,
    constraint uq_product_media_product_id_media_id unique (product_id, media_id),
    constraint fk_product_media_product_id foreign key(product_id) references catalog.products (id),
    constraint ck_product_media_position check (position between 0 and 2147483647)
);
create index ix_product_media_media_id on catalog.product_media (media_id)
"""

PRODUCT_VOLUME_DISCOUNTS = """
create table catalog.product_volume_discounts (
    id uuid default gen_random_uuid() not null,
    store_id uuid not null,
    product_id uuid not null,
    min_qty bigint not null,
    discount_percent numeric(7, 4) not null,
    created_at timestamp with time zone default clock_now() not null,
    constraint pk_product_volume_discounts primary key (id),
    constraint uq_product_volume_discounts_product_id_min_qty unique (product_id, min_qty),
    constraint fk_product_volume_discounts_product_id foreign key(product_id) references catalog.products (id),
    constraint ck_product_volume_discounts_min_qty check (min_qty between 1 and 2147483647),
    constraint ck_product_volume_discounts_discount_percent check (discount_percent between 0 and 100)
)
"""

APPEND_ONLY = """
create trigger inventory_movements_append_only before update or delete or truncate on catalog.inventory_movements
for each statement execute function catalog.refuse_change()
"""

TABLES = (
    CHECKOUTS, INVENTORY_MOVEMENTS, MEDIA, PRODUCTS, RESERVATIONS, STORES,
    INVENTORY_ITEMS, PRODUCT_MEDIA, PRODUCT_VOLUME_DISCOUNTS,
)  # fmt: skip
NAMES = (
    "checkouts", "inventory_movements", "media", "products", "reservations", "stores",
    "inventory_items", "product_media", "product_volume_discounts",
)  # fmt: skip


def upgrade() -> None:
    create_floor(op, "catalog")
    for table in TABLES:
        for statement in table.split(";"):
            op.execute(statement)
    op.execute(APPEND_ONLY)


def downgrade() -> None:
    for name in reversed(NAMES):
        op.execute(f"drop table catalog.{name}")
    drop_floor(op, "catalog")
