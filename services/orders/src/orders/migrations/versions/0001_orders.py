"""The floor, and everything of spec 5.1: carts, attempts, orders, and the view of stores."""

from alembic import op

from chassis.db.floor import create_floor, drop_floor

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_CART_RECORDS = """
create table orders.cart_records (
    id uuid not null,
    buyer_store_id uuid not null,
    checkout_group_id uuid,
    status text not null,
    shipping_address jsonb,
    billing_address jsonb,
    tip_cents bigint not null,
    payment_method text,
    shipping_line jsonb,
    currency char(3) default 'USD' not null,
    valid_until timestamptz not null,
    subtotal_cents bigint not null,
    discounts_cents bigint not null,
    total_cents bigint not null,
    converted_at timestamptz,
    ad_tokens text[] default '{}' not null,
    created_at timestamptz default clock_now() not null,
    updated_at timestamptz default clock_now() not null,
    constraint pk_cart_records primary key (id),
    constraint ck_cart_records_total check (total_cents = subtotal_cents - discounts_cents),
    constraint ck_cart_records_converted check ((status = 'converted') = (converted_at is not null)),
    constraint ck_cart_records_ad_tokens check (cardinality(ad_tokens) <= 50),
    constraint ck_cart_records_status check (status in ('active', 'converted')),
    constraint ck_cart_records_tip_cents check (tip_cents between 0 and 1000000000000),
    constraint ck_cart_records_payment_method check (payment_method in ('cash', 'ach')),
    constraint ck_cart_records_currency check (currency in ('USD', 'BTC', 'ETH')),
    constraint ck_cart_records_subtotal_cents check (subtotal_cents between 0 and 1000000000000),
    constraint ck_cart_records_discounts_cents check (discounts_cents between 0 and 1000000000000),
    constraint ck_cart_records_total_cents check (total_cents between 0 and 1000000000000)
)
"""

_CART_ITEMS = """
create table orders.cart_items (
    id uuid not null,
    cart_id uuid not null,
    product_id uuid not null,
    vendor_store_id uuid not null,
    vendor_store_name text not null,
    unit text not null,
    quantity bigint not null,
    moq bigint not null,
    max_qty bigint,
    title text not null,
    category text not null,
    strain text,
    classification text,
    thumbnail text,
    unit_price_cents bigint not null,
    effective_unit_price_cents bigint not null,
    line_discounts_cents bigint not null,
    line_subtotal_cents bigint not null,
    line_total_cents bigint not null,
    applied_volume_discount jsonb,
    status text not null,
    warnings jsonb not null,
    created_at timestamptz default clock_now() not null,
    updated_at timestamptz default clock_now() not null,
    constraint pk_cart_items primary key (id),
    constraint ck_cart_items_total check (line_total_cents = line_subtotal_cents - line_discounts_cents),
    constraint ck_cart_items_subtotal check (status <> 'ok' or line_subtotal_cents = unit_price_cents *
        quantity),
    constraint uq_cart_items_cart_id_product_id unique (cart_id, product_id),
    constraint fk_cart_items_cart_id foreign key(cart_id) references orders.cart_records (id) on delete cascade,
    constraint ck_cart_items_unit check (char_length(unit) <= 20),
    constraint ck_cart_items_quantity check (quantity between 1 and 2147483647),
    constraint ck_cart_items_moq check (moq between 0 and 2147483647),
    constraint ck_cart_items_max_qty check (max_qty between 0 and 2147483647),
    constraint ck_cart_items_category check (char_length(category) <= 40),
    constraint ck_cart_items_classification check (char_length(classification) <= 40),
    constraint ck_cart_items_unit_price_cents check (unit_price_cents between 0 and 1000000000000),
    constraint ck_cart_items_effective_unit_price_cents check (effective_unit_price_cents between 0 and
        1000000000000),
    constraint ck_cart_items_line_discounts_cents check (line_discounts_cents between 0 and 1000000000000),
    constraint ck_cart_items_line_subtotal_cents check (line_subtotal_cents between 0 and 1000000000000),
    constraint ck_cart_items_line_total_cents check (line_total_cents between 0 and 1000000000000),
    constraint ck_cart_items_status check (status in ('ok', 'not_available', 'invalid'))
)
"""

_CART_VENDOR_GROUPS = """
create table orders.cart_vendor_groups (
    id uuid not null,
    cart_id uuid not null,
    vendor_store_id uuid not null,
    status text not null,
    warnings jsonb not null,
    subtotal_cents bigint not null,
    promo jsonb,
    line_discounts_cents bigint not null,
    promo_discount_cents bigint not null,
    discounts_cents bigint not null,
    total_cents bigint not null,
    constraint pk_cart_vendor_groups primary key (id),
    constraint ck_cart_vendor_groups_discounts check (discounts_cents = line_discounts_cents +
        promo_discount_cents),
    constraint ck_cart_vendor_groups_total check (total_cents = subtotal_cents - discounts_cents),
    constraint uq_cart_vendor_groups_cart_id_vendor_store_id unique (cart_id, vendor_store_id),
    constraint fk_cart_vendor_groups_cart_id foreign key(cart_id) references orders.cart_records (id) on
        delete cascade,
    constraint ck_cart_vendor_groups_status check (status in ('ok', 'invalid')),
    constraint ck_cart_vendor_groups_subtotal_cents check (subtotal_cents between 0 and 1000000000000),
    constraint ck_cart_vendor_groups_line_discounts_cents check (line_discounts_cents between 0 and
        1000000000000),
    constraint ck_cart_vendor_groups_promo_discount_cents check (promo_discount_cents between 0 and
        1000000000000),
    constraint ck_cart_vendor_groups_discounts_cents check (discounts_cents between 0 and 1000000000000),
    constraint ck_cart_vendor_groups_total_cents check (total_cents between 0 and 1000000000000)
)
"""

_CHECKOUT_ATTEMPTS = """
create table orders.checkout_attempts (
    id uuid not null,
    buyer_store_id uuid,
    cart_id uuid,
    retry_of_order_id uuid,
    state text not null,
    request jsonb,
    actor jsonb,
    idempotency_scope jsonb,
    body_hmac bytea,
    lines jsonb,
    claim_token uuid,
    claimed_until timestamptz not null,
    created_at timestamptz default clock_now() not null,
    updated_at timestamptz default clock_now() not null,
    constraint pk_checkout_attempts primary key (id),
    constraint ck_checkout_attempts_whole check (state = 'aborted' or num_nulls(buyer_store_id, request,
        actor, idempotency_scope, body_hmac, lines, claim_token) = 0),
    constraint ck_checkout_attempts_state check (state in ('reserving', 'committed', 'aborted'))
)
"""

_CHECKOUT_GROUPS = """
create table orders.checkout_groups (
    id uuid not null,
    buyer_store_id uuid not null,
    cart_id uuid,
    attributed_ad_click_id uuid,
    shipping_address jsonb not null,
    billing_address jsonb,
    payment_method text not null,
    tip_cents bigint not null,
    shipping_line jsonb,
    created_at timestamptz default clock_now() not null,
    constraint pk_checkout_groups primary key (id),
    constraint uq_checkout_groups_cart_id unique (cart_id),
    constraint ck_checkout_groups_payment_method check (payment_method in ('cash', 'ach')),
    constraint ck_checkout_groups_tip_cents check (tip_cents between 0 and 1000000000000)
)
"""

_VENDOR_ORDERS = """
create table orders.vendor_orders (
    id uuid not null,
    order_number bigint default nextval('orders.order_numbers') not null,
    version bigint default 1 not null,
    cart_id uuid,
    checkout_group_id uuid not null,
    buyer_store_id uuid not null,
    vendor_store_id uuid not null,
    currency char(3) default 'USD' not null,
    status text not null,
    refund_status text not null,
    fulfillment_status text not null,
    shipping_status text not null,
    payment_method text not null,
    subtotal_cents bigint not null,
    discounts_cents bigint not null,
    tax_cents bigint not null,
    transport_fee_cents bigint not null,
    shipping_cents bigint not null,
    tip_cents bigint not null,
    total_cents bigint not null,
    balance_due_cents bigint not null,
    shipping_address jsonb,
    shipping_line jsonb,
    warnings jsonb,
    promo jsonb,
    attributed_ad_click_id uuid,
    attributed_ad_id uuid,
    retried_from_order_id uuid,
    notes text,
    internal_notes text,
    nudge_due_at timestamptz not null,
    nudged_at timestamptz,
    expires_at timestamptz not null,
    buyer_nudged_at timestamptz,
    created_at timestamptz default clock_now() not null,
    updated_at timestamptz default clock_now() not null,
    fulfilled_at timestamptz,
    in_transit_at timestamptz,
    delivered_at timestamptz,
    canceled_at timestamptz,
    cancel_reason text,
    expired_at timestamptz,
    closed_at timestamptz,
    constraint pk_vendor_orders primary key (id),
    constraint ck_vendor_orders_two_stores check (buyer_store_id <> vendor_store_id),
    constraint ck_vendor_orders_total check (total_cents = subtotal_cents - discounts_cents + tax_cents +
        transport_fee_cents + shipping_cents + tip_cents),
    constraint ck_vendor_orders_balance check (balance_due_cents <= total_cents),
    constraint ck_vendor_orders_rejected_is_free check (status <> 'rejected' or (subtotal_cents = 0 and
        total_cents = 0 and balance_due_cents = 0)),
    constraint uq_vendor_orders_checkout_group_id_vendor unique (checkout_group_id, vendor_store_id),
    constraint uq_vendor_orders_order_number unique (order_number),
    constraint fk_vendor_orders_checkout_group_id foreign key(checkout_group_id) references
        orders.checkout_groups (id),
    constraint ck_vendor_orders_version check (version >= 1),
    constraint ck_vendor_orders_currency check (currency in ('USD', 'BTC', 'ETH')),
    constraint ck_vendor_orders_status check (status in ('created_pending', 'accepted', 'partially_accepted',
        'rejected', 'fulfilled', 'hold', 'in_transit', 'delivered', 'closed', 'canceled', 'expired')),
    constraint ck_vendor_orders_refund_status check (refund_status in ('none', 'partial', 'full')),
    constraint ck_vendor_orders_fulfillment_status check (fulfillment_status in ('pending', 'partial',
        'fulfilled')),
    constraint ck_vendor_orders_shipping_status check (shipping_status in ('pending', 'dispatched',
        'in_transit', 'delivered')),
    constraint ck_vendor_orders_payment_method check (payment_method in ('cash', 'ach')),
    constraint ck_vendor_orders_subtotal_cents check (subtotal_cents between 0 and 1000000000000),
    constraint ck_vendor_orders_discounts_cents check (discounts_cents between 0 and 1000000000000),
    constraint ck_vendor_orders_tax_cents check (tax_cents between 0 and 1000000000000),
    constraint ck_vendor_orders_transport_fee_cents check (transport_fee_cents between 0 and 1000000000000),
    constraint ck_vendor_orders_shipping_cents check (shipping_cents between 0 and 1000000000000),
    constraint ck_vendor_orders_tip_cents check (tip_cents between 0 and 1000000000000),
    constraint ck_vendor_orders_total_cents check (total_cents between 0 and 1000000000000),
    constraint ck_vendor_orders_balance_due_cents check (balance_due_cents between 0 and 1000000000000)
)
"""

_ORDER_LINE_ITEMS = """
create table orders.order_line_items (
    id uuid not null,
    order_id uuid not null,
    product_id uuid not null,
    cart_item_id uuid,
    name text not null,
    category text not null,
    strain text,
    classification text,
    unit text not null,
    thumbnail text,
    unit_price_cents bigint not null,
    qty bigint not null,
    moq bigint not null,
    max_qty bigint,
    discount_cents bigint not null,
    line_subtotal_cents bigint not null,
    total_cents bigint not null,
    applied_volume_discount jsonb,
    warnings jsonb,
    status text not null,
    notes text,
    created_at timestamptz default clock_now() not null,
    updated_at timestamptz default clock_now() not null,
    constraint pk_order_line_items primary key (id),
    constraint ck_order_line_items_total check (total_cents = line_subtotal_cents - discount_cents),
    constraint ck_order_line_items_subtotal check (line_subtotal_cents = case status when 'rejected' then 0
        else unit_price_cents * qty end),
    constraint fk_order_line_items_order_id foreign key(order_id) references orders.vendor_orders (id),
    constraint ck_order_line_items_category check (char_length(category) <= 40),
    constraint ck_order_line_items_classification check (char_length(classification) <= 40),
    constraint ck_order_line_items_unit check (char_length(unit) <= 20),
    constraint ck_order_line_items_unit_price_cents check (unit_price_cents between 0 and 1000000000000),
    constraint ck_order_line_items_qty check (qty between 1 and 2147483647),
    constraint ck_order_line_items_moq check (moq between 0 and 2147483647),
    constraint ck_order_line_items_max_qty check (max_qty between 0 and 2147483647),
    constraint ck_order_line_items_discount_cents check (discount_cents between 0 and 1000000000000),
    constraint ck_order_line_items_line_subtotal_cents check (line_subtotal_cents between 0 and 1000000000000),
    constraint ck_order_line_items_total_cents check (total_cents between 0 and 1000000000000),
    constraint ck_order_line_items_status check (status in ('pending', 'accepted', 'rejected', 'fulfilled',
        'hold'))
)
"""

_ORDER_STATUS_HISTORY = """
create table orders.order_status_history (
    id uuid not null,
    order_id uuid not null,
    event_id uuid not null,
    what text not null,
    from_status text,
    to_status text not null,
    line_item_id uuid,
    actor text not null,
    actor_kind text not null,
    at timestamptz default clock_now() not null,
    reason text,
    constraint pk_order_status_history primary key (id),
    constraint fk_order_status_history_order_id foreign key(order_id) references orders.vendor_orders (id),
    constraint ck_order_status_history_what check (what in ('created', 'accepted', 'rejected', 'line_accepted',
        'line_rejected', 'fulfilled', 'ready_for_pickup', 'nudged', 'reminded', 'canceled', 'expired', 'retried')),
    constraint ck_order_status_history_actor_kind check (actor_kind in ('buyer', 'vendor', 'agent', 'admin', 'system')),
    constraint ck_order_status_history_from_status check (from_status in ('created_pending', 'accepted',
        'partially_accepted', 'rejected', 'fulfilled', 'hold', 'in_transit', 'delivered', 'closed',
        'canceled', 'expired')),
    constraint ck_order_status_history_to_status check (to_status in ('created_pending', 'accepted',
        'partially_accepted', 'rejected', 'fulfilled', 'hold', 'in_transit', 'delivered', 'closed',
        'canceled', 'expired'))
)
"""

_STORES = """
create table orders.stores (
    store_id uuid not null,
    source_epoch bigint default 1 not null,
    version bigint default 1 not null,
    type text not null,
    company_name text not null,
    dba_name text,
    phone text,
    logo_url text,
    address jsonb not null,
    state text not null,
    kyc_status text not null,
    deleted boolean not null,
    updated_at timestamptz default clock_now() not null,
    constraint pk_stores primary key (store_id),
    constraint ck_stores_source_epoch check (source_epoch >= 1),
    constraint ck_stores_version check (version >= 1),
    constraint ck_stores_type check (type in ('buyer', 'vendor')),
    constraint ck_stores_state check (char_length(state) <= 2),
    constraint ck_stores_kyc_status check (kyc_status in ('pending_verification', 'verified', 'rejected',
        'expired', 'suspended'))
)
"""

_INDEXES = (
    """
    create unique index uq_cart_records_active on orders.cart_records (buyer_store_id) where status = 'active'
    """,
    """
    create index ix_checkout_attempts_claimed_until on orders.checkout_attempts (claimed_until) where state =
        'reserving'
    """,
    """
    create unique index uq_checkout_attempts_cart_id on orders.checkout_attempts (cart_id) where state in
        ('reserving', 'committed')
    """,
    """
    create unique index uq_checkout_attempts_retry_of_order_id on orders.checkout_attempts (retry_of_order_id)
        where state in ('reserving', 'committed')
    """,
    """
    create index ix_vendor_orders_action on orders.vendor_orders (vendor_store_id, status, created_at desc, id desc)
    """,
    "create index ix_vendor_orders_buyer on orders.vendor_orders (buyer_store_id, created_at desc, id desc)",
    "create index ix_vendor_orders_expiry on orders.vendor_orders (status, expires_at)",
    "create index ix_vendor_orders_nudge on orders.vendor_orders (status, nudge_due_at)",
    "create index ix_vendor_orders_vendor on orders.vendor_orders (vendor_store_id, created_at desc, id desc)",
    "create index ix_order_line_items_order_id on orders.order_line_items (order_id)",
    "create index ix_order_status_history_order_id on orders.order_status_history (order_id, at)",
)

_HISTORY_IS_APPEND_ONLY = """
create trigger order_status_history_append_only before update or delete or truncate on orders.order_status_history
for each statement execute function orders.refuse_change()
"""

_TABLES = (
    _CART_RECORDS,
    _CART_ITEMS,
    _CART_VENDOR_GROUPS,
    _CHECKOUT_ATTEMPTS,
    _CHECKOUT_GROUPS,
    _VENDOR_ORDERS,
    _ORDER_LINE_ITEMS,
    _ORDER_STATUS_HISTORY,
    _STORES,
)


def upgrade() -> None:
    create_floor(op, "orders")
    op.execute("create sequence orders.order_numbers start with 10001")
    for statement in (*_TABLES, *_INDEXES, _HISTORY_IS_APPEND_ONLY):
        op.execute(statement)


def downgrade() -> None:
    for table in ("order_status_history", "order_line_items", "vendor_orders", "checkout_groups"):
        op.drop_table(table, schema="orders")
    for table in ("checkout_attempts", "cart_vendor_groups", "cart_items", "cart_records", "stores"):
        op.drop_table(table, schema="orders")
    op.execute("drop sequence orders.order_numbers")
    drop_floor(op, "orders")
