"""Statements about entries."""

ADD = """
insert into entries (id, store_id, title, title_key) values ($1, $2, $3, $4) returning id, title, created_at
"""

FIND = "select id, title, created_at from entries where id = $1 and store_id = $2"

NEWEST = """
select id, title, created_at from entries
where store_id = $1 and ($2::timestamptz is null or (created_at, id) < ($2, $3::uuid))
order by created_at desc, id desc limit $4
"""

COUNT = "select count(*) from entries where store_id = $1"
