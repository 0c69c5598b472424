"""The JSON shapes of a product as SQL (spec 4.1): the columns of a query whose rows `row_to_json` turns into items.

Vendors also see what is promised of their own stock. `has_promo` is a sub-select with a limit and no EXISTS, because
PostgreSQL turns an EXISTS here into a hash of the whole tier table.
"""

HAS_PROMO = "(select true from product_volume_discounts t where t.product_id = p.id limit 1) is not null"

_SUMMARY = f"""
    p.id, p.sku, p.title, p.subtitle, p.category, p.classification, p.unit, p.moq, p.max_qty, p.price_cents,
    p.compare_at_price_cents, p.thc_percent, p.cbd_percent, {HAS_PROMO} as has_promo, p.store_id as vendor_store_id,
    json_build_object('vendor_store_id', p.store_id, 'vendor_name', coalesce(v.dba_name, v.company_name, ''),
        'logo_gcs_key', v.logo_gcs_key, 'logo_url', v.logo_url) as vendor,
    p.coa_added, p.thumbnail_url"""

_BUYER_STOCK = "json_build_object('available_qty', i.available_qty, 'updated_at', i.updated_at) as inventory"
_VENDOR_STOCK = (
    "json_build_object('available_qty', i.available_qty, 'reserved_qty', i.reserved_qty,"
    " 'low_stock_threshold', i.low_stock_threshold, 'updated_at', i.updated_at) as inventory"
)
_TIMES = "p.created_at, p.updated_at"

_REST = """
    p.store_id, p.body_html, p.batch_id, p.metric_tag, p.barcode, p.packaging_type, p.feelings, p.flavors, p.usage,
    p.strain, p.is_active, p.is_featured,
    (select coalesce(json_agg(t order by t.min_qty), '[]') from (
        select id, min_qty, discount_percent, created_at from product_volume_discounts where product_id = p.id
    ) t) as volume_discounts,
    (select coalesce(json_agg(g order by g.position), '[]') from (
        select id, media_id, url, gcs_key, position, created_at from product_media where product_id = p.id
    ) g) as media, p.coa_media_id, null::text as coa_read_url"""

SUMMARY = f"{_SUMMARY}, {_BUYER_STOCK}, {_TIMES}"
VENDOR_SUMMARY = f"{_SUMMARY}, {_VENDOR_STOCK}, {_TIMES}"
PRODUCT = f"{SUMMARY}, {_REST}"
VENDOR_PRODUCT = f"{VENDOR_SUMMARY}, {_REST}"

FROM = """
    from products p
    join inventory_items i on i.product_id = p.id
    left join stores v on v.store_id = p.store_id"""
