"""The projection of identity's stores."""

KEEP = """
insert into stores as s (
    store_id, source_epoch, version, deleted, type, company_name, dba_name, kyc_status, subscription_override, state,
    geom, delivery_radius_meters, logo_gcs_key, logo_url, updated_at
) values (
    $1, coalesce($2, (select max(source_epoch) from stores), 1), $3, $4, $5, $6, $7, $8, $9, $10,
    case when $11::float8 is not null then ST_SetSRID(ST_MakePoint($12::float8, $11), 4326)::geography end,
    $13, $14, $15, clock_now()
)
on conflict (store_id) do update set
    source_epoch = excluded.source_epoch, version = excluded.version, deleted = excluded.deleted,
    type = excluded.type, company_name = excluded.company_name, dba_name = excluded.dba_name,
    kyc_status = excluded.kyc_status,
    subscription_override = excluded.subscription_override, state = excluded.state, geom = excluded.geom,
    delivery_radius_meters = excluded.delivery_radius_meters, logo_gcs_key = excluded.logo_gcs_key,
    logo_url = excluded.logo_url, updated_at = excluded.updated_at
where (excluded.source_epoch, excluded.version) >= (s.source_epoch, s.version)
returning s.store_id
"""
"""Keeps a store's state unless a newer one is known. Versions count anew in a higher epoch of identity; an answer to
a question carries no epoch ($2 is null) and belongs to the newest one that was heard of.
"""

STANDINGS = """
select store_id, coalesce(dba_name, company_name) as name, state, is_visible, type = 'vendor' as is_vendor, kyc_status
  from stores where store_id = any($1::uuid[])
"""

STATE_OF = "select state from stores where store_id = $1 and not deleted"
