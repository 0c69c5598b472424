"""The projection of media's media, and the galleries that show them.

Whoever attaches a medium and whoever finds it deleted meet at one lock per medium (GUARD, GUARD_ALONE). It is no row
lock: the inbox writes projection rows as events come, while a new product has locked its store's row already, so two
transactions could wait for each other. It comes after the rows of stores and media, and before stock and products.
"""

KEEP = """
insert into media as m (media_id, source_epoch, version, deleted, store_id, kind, status, mime_type, gcs_key,
                        public_url, updated_at)
values ($1, coalesce($2, (select max(source_epoch) from media), 1), $3, $4, $5, $6, $7, $8, $9, $10, clock_now())
on conflict (media_id) do update set
    source_epoch = excluded.source_epoch, version = excluded.version, deleted = excluded.deleted,
    store_id = excluded.store_id, kind = excluded.kind, status = excluded.status, mime_type = excluded.mime_type,
    gcs_key = excluded.gcs_key, public_url = excluded.public_url, updated_at = excluded.updated_at
where (excluded.source_epoch, excluded.version) >= (m.source_epoch, m.version)
returning m.media_id
"""
"""Keeps a medium's state unless a newer one is known; epochs count as for stores (catalog.repo.stores.KEEP)."""

KNOWN = "select media_id, store_id, kind, status, gcs_key from media where media_id = any($1::uuid[]) and not deleted"

_KEYS = "(select distinct hashtextextended(id::text, 0) as key from unnest($1::uuid[]) id order by 1) keys"

GUARD = f"select pg_advisory_xact_lock_shared(key) from {_KEYS}"
"""Nobody finds these media deleted until this transaction ends."""

GUARD_ALONE = f"select pg_advisory_xact_lock(key) from {_KEYS}"
"""Nobody attaches these media until this transaction ends; who was about to has committed."""

SHOWN = "select id, media_id from product_media where product_id = $1 order by position"

MAKE_ROOM = "update product_media set position = position + 1 where product_id = $1 and position >= $2"

SHOW = """
insert into product_media (id, product_id, media_id, url, gcs_key, position)
select shown.id, $1, shown.media_id, m.public_url, m.gcs_key, $4 + shown.place - 1
  from unnest($2::uuid[], $3::uuid[]) with ordinality as shown (id, media_id, place)
  join media m on m.media_id = shown.media_id
"""

HIDE = "delete from product_media where product_id = $1 and id = any($2::uuid[])"

CLOSE_GAPS = """
update product_media g
   set position = placed.place
  from (select id, row_number() over (partition by product_id order by position) - 1 as place
          from product_media where product_id = any($1::uuid[])) placed
 where g.id = placed.id and g.position <> placed.place
"""

REVIEW = """
with before as materialized (select id, is_active from products where id = any($1::uuid[]))
update products p
   set thumbnail_url = (
           select g.url from product_media g join media m on m.media_id = g.media_id
            where g.product_id = p.id and m.mime_type like 'image/%' order by g.position limit 1
       ),
       is_active = p.is_active and exists (select from product_media g where g.product_id = p.id),
       updated_at = clock_now()
  from before
 where p.id = before.id
returning p.id, before.is_active and not p.is_active as deactivated
"""
"""What follows for a product from its gallery: the thumbnail, and that without a picture it is not active."""

USERS = """
select g.product_id from product_media g join media m on m.media_id = g.media_id
 where m.media_id = any($1::uuid[]) and (m.is_gone or g.url is distinct from m.public_url)
 union
select p.id from products p join media m on m.media_id = p.coa_media_id
 where m.media_id = any($1::uuid[]) and m.is_gone
"""
"""Products that show something of these media which is not so any more."""

DROP_PICTURES = """
delete from product_media g using media m, products p
 where g.product_id = any($1::uuid[]) and m.media_id = g.media_id and m.is_gone and p.id = g.product_id
returning g.id as attachment_id, g.media_id, g.product_id, p.store_id
"""

DROP_CERTIFICATES = """
with gone as materialized (
    select p.id, p.coa_attachment_id, p.coa_media_id
      from products p join media m on m.media_id = p.coa_media_id where p.id = any($1::uuid[]) and m.is_gone
)
update products p set coa_media_id = null, coa_attachment_id = null from gone where p.id = gone.id
returning gone.coa_attachment_id as attachment_id, gone.coa_media_id as media_id, p.id as product_id, p.store_id
"""

RENEW_URLS = """
update product_media g set url = m.public_url from media m
 where g.product_id = any($1::uuid[]) and m.media_id = g.media_id and g.url is distinct from m.public_url
"""
