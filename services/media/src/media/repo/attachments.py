"""Statements about the uses of media. They run under the lock of the medium's row."""

ATTACH = """
insert into media_attachments (id, media_id, entity_type, entity_id, store_id, gcs_key, created_at, detached_at)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (id) do nothing
"""

DETACH = """
insert into media_attachments as a
       (id, media_id, entity_type, entity_id, store_id, gcs_key, created_at, detached_at, purge)
values ($1, $2, $3, $4, $5, $6, $7, $7, $8)
on conflict (id) do update
   set detached_at = coalesce(a.detached_at, excluded.detached_at), purge = a.purge or excluded.purge
"""
"""A use that is over before it has begun leaves its row all the same, which the later beginning does not revive."""

PROTECTED_BY = """
select entity_type from media_attachments
 where media_id = $1 and detached_at is null and entity_type = any($2::text[])
 order by created_at limit 1
"""

PURGED = """
select coalesce(bool_or(purge), false) and coalesce(bool_and(detached_at is not null), true)
  from media_attachments where media_id = $1
"""
"""Somebody who let go of it wants it gone, and nobody holds it any more."""

DETACH_ALL = "update media_attachments set detached_at = clock_now() where media_id = $1 and detached_at is null"
