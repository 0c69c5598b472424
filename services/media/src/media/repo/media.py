"""Statements about media. Whatever is decided of one is decided under its row's lock, which comes before all others."""

FACTS = (
    "id as media_id, version, status = 'deleted' as deleted, store_id, kind, status, mime_type, size_bytes, file_name,"
    " gcs_key, public_url, uploaded_at"
)
"""What `media_changed` says."""

ROW = "id, store_id, kind, status, former_status, mime_type, size_bytes, file_name, gcs_key, deletion_began_at"
"""What the rules look at."""

ADD = f"""
insert into media (id, store_id, user_id, kind, status, gcs_key, file_name, mime_type, size_bytes)
values ($1, $2, $3, $4, 'pending', $5, $6, $7, $8)
returning {FACTS}
"""

LOCK_OWN = f"select {ROW} from media where id = $1 and store_id = $2 for update"
LOCK = f"select {ROW} from media where id = $1 for update"
LOCK_FREE = f"select {ROW} from media where id = $1 for update skip locked"
"""For jobs: a row that somebody else works on is left to the next run."""

LOCK_FACTS = f"select {FACTS} from media where id = $1 for update skip locked"

BY_KEY = f"select {ROW} from media where gcs_key = $1"

_CHANGED = f"version = version + 1, updated_at = clock_now() where id = $1 returning {FACTS}"

ACCEPT = f"""
update media set status = 'uploaded', uploaded_at = clock_now(), verified_at = clock_now(), public_url = $2, {_CHANGED}
"""
REFUSE = f"update media set status = 'failed', failed_at = clock_now(), {_CHANGED}"
REQUEST_DELETE = f"""
update media set former_status = status, status = 'delete_requested', delete_requested_at = clock_now(), {_CHANGED}
"""
RESTORE = f"""
update media set status = former_status, former_status = null, delete_requested_at = null, {_CHANGED}
"""
DELETED = f"""
update media
   set status = 'deleted', former_status = null, public_url = null, deleted_at = clock_now(), {_CHANGED}
"""
GIVE_UP = f"update media set status = 'delete_failed', {_CHANGED}"

BEGIN_DELETION = "update media set deletion_began_at = clock_now() where id = $1 and deletion_began_at is null"
"""Nobody sees this, so no version is raised."""
COUNT_FAILURE = "update media set delete_attempts = delete_attempts + 1 where id = $1 returning delete_attempts"

REMOVE = "delete from media where id = $1"

SNAPSHOTS = f"""
select {FACTS} from media
 where ($1::uuid is null or id = $1) and ($2::uuid is null or id > $2)
 order by id limit $3
"""

_FILTERS = """store_id = $1 and ($2::text is null or kind = $2)
   and case when $3::text is null then status <> 'deleted' else status = $3 end
   and ($4::text is null or mime_type = $4) and ($5::text is null or file_name ilike $5)"""

NEWEST = f"""
select id, store_id, user_id, kind, status, file_name, mime_type, size_bytes, created_at, uploaded_at, gcs_key
  from media
 where {_FILTERS}
   and ($6::timestamptz is null or (created_at, id) < ($6, $7::uuid))
 order by created_at desc, id desc limit $8
"""
COUNT = f"select count(*) from media where {_FILTERS}"

READABLE = """
select id, gcs_key, mime_type, file_name from media where id = any($1::uuid[]) and status in ('uploaded', 'ready')
"""

DUE_FOR_DELETION = f"""
select {ROW}, delete_requested_at from media
 where status = 'delete_requested' and delete_requested_at <= clock_now() - interval '15 minutes'
   and ($1::timestamptz is null or (delete_requested_at, id) > ($1, $2::uuid))
 order by delete_requested_at, id limit $3
"""
DELETE_FAILED = f"""
select {ROW} from media where status = 'delete_failed' and ($1::uuid is null or id > $1) order by id limit $2
"""
STALE = f"""
select {ROW} from media
 where status = 'pending' and created_at <= clock_now() - interval '7 days'
   and not exists (select from media_attachments a where a.media_id = media.id)
   and ($1::uuid is null or id > $1)
 order by id limit $2
"""
KEPT_KEYS = """
select gcs_key from media where gcs_key = any($1::text[]) and status not in ('failed', 'deleted')
"""

FORGET_SEEN = """
delete from inbox_message where ctid = any(array(
    select ctid from inbox_message where source = 'storage' and created_at < clock_now() - interval '30 days' limit $1
))
"""

SEEN = """
insert into inbox_message (source, message_id) values ('storage', $1) on conflict do nothing
"""
