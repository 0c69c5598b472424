"""Statements about reservations (spec 4.3).

Locks are always taken in one order, so that no two transactions can wait for each other: the checkout's row,
reservation rows, inventory rows by product id, product rows by id, and at the flush the aggregate cursors.
"""

from catalog.domain.stock import states_before
from catalog.repo.gate import visible
from catalog.repo.products import FACTS

MOST = 2_147_483_647
"""The largest quantity the wire carries."""

RESERVE = f"""
with line as materialized (
    select wanted.*, p.title, p.moq, p.max_qty,
           case
               when p.id is null or p.deleted_at is not null or not p.is_active or p.store_id <> wanted.vendor_store_id
                   then 'product_inactive'
               when ({visible(state="$3", buyer="$2")}) is not true then 'vendor_hidden'
           end as obstacle
      from unnest($4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[], $8::int[])
           with ordinality as wanted (id, line_id, product_id, vendor_store_id, qty, place)
      left join products p on p.id = wanted.product_id
), violation as materialized (
    select product_id, title as product_name, case when qty < moq then moq else max_qty end as required_qty,
           qty as requested_qty, place
      from line
     where obstacle is distinct from 'product_inactive' and (qty < moq or (max_qty > 0 and qty > max_qty))
), doubt as materialized (
    select distinct vendor_store_id
      from line
     where obstacle = 'vendor_hidden' and vendor_store_id <> $2 and vendor_store_id <> all($9::uuid[])
), claim as (
    insert into checkouts (checkout_id, outcome)
    select $1::uuid, 'decided'
     where not exists (select from violation) and not exists (select from doubt)
        on conflict (checkout_id) do nothing
    returning checkout_id
), shelf as materialized (
    select i.product_id, i.available_qty
      from inventory_items i
     where i.product_id in (select product_id from line where obstacle is null) and exists (select from claim)
     order by i.product_id
       for update
), decided as materialized (
    select line.*, coalesce(shelf.available_qty, 0) as shelf_qty,
           case
               when obstacle is not null then obstacle
               when coalesce(shelf.available_qty, 0) < qty then 'insufficient_inventory'
           end as reason
      from line
      left join shelf using (product_id)
     where exists (select from claim)
), taken as (
    update inventory_items i
       set available_qty = i.available_qty - d.qty, reserved_qty = i.reserved_qty + d.qty, updated_at = clock_now()
      from decided d
     where d.product_id = i.product_id and d.reason is null
    returning i.product_id, i.available_qty
), stored as (
    insert into reservations (id, checkout_id, line_id, product_id, vendor_store_id, buyer_store_id, qty, state, reason,
                              available_qty, held_until)
    select id, $1, line_id, product_id, vendor_store_id, $2, qty,
           case when reason is null then 'held' else 'refused' end, reason,
           shelf_qty - case when reason is null then qty else 0 end,
           case when reason is null then clock_now() + interval '15 minutes' end
      from decided
), moved as (
    insert into inventory_movements (product_id, kind, available_delta, reserved_delta, reservation_id)
    select product_id, 'reserve', -qty, qty, id from decided where reason is null
), emptied as materialized (
    select p.id from products p
     where p.id in (select product_id from taken where available_qty = 0)
     order by p.id
       for no key update
), changed as (
    update products p set version = p.version + 1 from emptied where p.id = emptied.id returning p.*
)
select exists (select from claim) as claimed,
       (select json_agg(json_build_object(
            'line_id', line_id, 'product_id', product_id, 'vendor_store_id', vendor_store_id,
            'reserved', reason is null, 'reason', reason,
            'available_qty', least(shelf_qty - case when reason is null then qty else 0 end, {MOST})
        ) order by place) from decided)::text as lines,
       (select json_agg(json_build_object('product_id', product_id, 'product_name', product_name,
            'required_qty', required_qty, 'requested_qty', requested_qty
        ) order by place) from violation)::text as violations,
       (select array_agg(vendor_store_id) from doubt) as doubted,
       (select json_agg(facts) from (select {FACTS}, false as in_stock from changed p) facts) as emptied
"""
"""All lines of one checkout in one round trip; does nothing unless it claims the checkout, so a repeat changes nothing.

Arguments: checkout id, buyer store, buyer state, then per line its new reservation id, line id, product, vendor and
quantity; last the vendors whose standing was asked of identity already.
"""

STORED = f"""
select c.outcome,
       (select json_agg(json_build_object(
            'line_id', line_id, 'product_id', product_id, 'vendor_store_id', vendor_store_id,
            'reserved', state <> 'refused', 'reason', case when state = 'refused' then reason end,
            'available_qty', least(available_qty, {MOST})
        ) order by id) from reservations r where r.checkout_id = c.checkout_id)::text as lines
  from checkouts c
 where c.checkout_id = $1
"""
"""What was decided of a checkout before."""

CONFIRM = """
update reservations
   set state = 'confirmed', order_id = $2, held_until = null, updated_at = clock_now()
 where checkout_id = $1 and line_id = any($3::uuid[]) and state = any($4::text[])
"""

RELEASED_AS_ABORTED = """
select count(*) from reservations
 where checkout_id = $1 and line_id = any($2::uuid[]) and state = 'released' and reason = 'aborted'
"""

RELEASE = """
with freed as (
    update reservations
       set state = 'released', reason = $3, held_until = null, updated_at = clock_now()
     where checkout_id = $1 and ($2::uuid[] is null or line_id = any($2)) and state = any($4::text[])
    returning id, product_id, qty
)
insert into inventory_movements (product_id, kind, available_delta, reserved_delta, reservation_id)
select product_id, 'release', qty, -qty, id from freed
returning id
"""
"""Ends reservations and writes what must come back; the counters follow when the transaction settles (SETTLE)."""

SETTLE = """
with owed as materialized (
    select product_id, sum(available_delta) as available, sum(reserved_delta) as reserved
      from inventory_movements where id = any($1::uuid[]) group by product_id
), shelf as materialized (
    select i.product_id, i.available_qty
      from inventory_items i where i.product_id in (select product_id from owed)
     order by i.product_id
       for update
)
update inventory_items i
   set available_qty = i.available_qty + owed.available, reserved_qty = i.reserved_qty + owed.reserved,
       updated_at = clock_now()
  from owed join shelf using (product_id)
 where i.product_id = owed.product_id
returning i.product_id, (shelf.available_qty > 0) is distinct from (i.available_qty > 0) as crossed_zero
"""

TOMBSTONE = "insert into checkouts (checkout_id, outcome) values ($1, 'aborted') on conflict (checkout_id) do nothing"

OVERDUE = """
select checkout_id, min(held_until) as held_until
  from reservations
 where state = 'held' and held_until <= clock_now()
 group by checkout_id
 order by 2
 limit $1
"""

LOCK_HELD = """
select line_id from reservations where checkout_id = $1 and state = 'held' for update skip locked
"""

EXTEND = """
update reservations set held_until = clock_now() + interval '5 minutes' where checkout_id = $1 and state = 'held'
"""

CONFIRMABLE = states_before("confirm")
RELEASABLE = states_before("release")
