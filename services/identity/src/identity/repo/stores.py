"""Stores. Tenant reads take a StoreScope; the others serve the house, other services and the public profile."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal
from uuid import UUID

from chassis.db import Reader, Record, Tx
from chassis.ids import new_id
from contracts.values import Address
from identity.domain.names import company_key
from identity.domain.stores import GeocodeStatus, Point, Store
from kernel.refusal import Conflict
from kernel.scope import Kyc, StoreScope, StoreType

STORE_COLUMNS = ", ".join(Store.model_fields)
"""Every column of the table that the model has, by the same names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStore:
    type: StoreType
    company_name: str
    dba_name: str | None
    phone: str | None
    owner_user_id: UUID
    address: Address


def _store(row: Record | None) -> Store | None:
    return Store.model_validate(dict(row)) if row else None


async def by_id(db: Reader, store_id: UUID) -> Store | None:
    return _store(
        await db.fetchrow(f"select {STORE_COLUMNS} from stores where id = $1 and deleted_at is null", store_id)
    )


async def own(db: Reader, scope: StoreScope) -> Store | None:
    return await by_id(db, scope.store_id)


async def locked(tx: Tx, store_id: UUID) -> Store | None:
    row = await tx.fetchrow(
        f"select {STORE_COLUMNS} from stores where id = $1 and deleted_at is null for no key update", store_id
    )
    return _store(row)


async def locked_even_deleted(tx: Tx, store_id: UUID) -> Store | None:
    """For what goes on after a store's end, such as its licences."""
    return _store(await tx.fetchrow(f"select {STORE_COLUMNS} from stores where id = $1 for no key update", store_id))


async def visible_to(db: Reader, store_id: UUID, user_id: UUID) -> Store | None:
    """The store, when the user is an active member, or it is a verified and subscribed vendor (spec 2.3).

    One statement whoever asks and whatever is there, so that a refusal tells nothing by its time.
    """
    row = await db.fetchrow(
        f"""
        select {STORE_COLUMNS} from stores
        where id = $1 and deleted_at is null and (
            (type = 'vendor' and kyc_status <> 'suspended' and coalesce(kyc_override, kyc_status) = 'verified'
             and (subscription_active or subscription_override = 'active'))
            or exists(select from store_memberships m
                      where m.store_id = stores.id and m.user_id = $2 and m.status = 'active'))
        """,
        store_id,
        user_id,
    )
    return _store(row)


async def add(tx: Tx, new: NewStore) -> Store:
    """Raises Conflict.duplicate("company_name") when a live store of that state has the name."""
    place = new.address
    status = GeocodeStatus.PENDING if place.lat is None else GeocodeStatus.NONE
    row = await tx.fetchrow(
        f"""
        insert into stores (id, type, company_name, company_key, dba_name, phone, owner_user_id,
                            line1, line2, city, state, postal_code, country, lat, lng, geocode_status,
                            kyc_status, delivery_radius_meters)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 'pending_verification', 0)
        on conflict (state, company_key) where deleted_at is null do nothing
        returning {STORE_COLUMNS}
        """,
        new_id(), new.type, new.company_name, company_key(new.company_name), new.dba_name, new.phone,
        new.owner_user_id, place.line1, place.line2, place.city, place.state, place.postal_code, place.country,
        place.lat, place.lng, status,
    )  # fmt: skip
    store = _store(row)
    if store is None:
        raise Conflict.duplicate("company_name")
    return store


async def change(tx: Tx, store_id: UUID, changes: Mapping[str, Any]) -> Store:
    """Set columns of a locked store, raise its version, and return it. Raises Conflict.duplicate("company_name").

    `changes` maps names of columns, which come from code only, to values. `geom` follows `lat` and `lng` by itself.
    """
    values = dict(changes)
    if "company_name" in values:
        values["company_key"] = company_key(values["company_name"])
    assignments = "".join(f"{column} = ${place}, " for place, column in enumerate(values, start=2))
    statement = f"""
        update stores set {assignments} version = version + 1, updated_at = clock_now()
        where id = $1 returning {STORE_COLUMNS}
    """
    try:
        row = await tx.fetchrow(statement, store_id, *values.values())
    except Conflict:  # the name is the only thing here that must be unique
        raise Conflict.duplicate("company_name") from None
    return Store.model_validate(dict(row or {}))


async def set_standing(
    tx: Tx,
    store_id: UUID,
    *,
    kyc: Kyc | None,
    subscription: Literal["active"] | None,
    until: date | None,
    reason: str | None,
) -> Store:
    """Replace the override; without any override there is no date and no reason either."""
    granted = kyc is not None or subscription is not None
    return await change(
        tx,
        store_id,
        {
            "kyc_override": kyc,
            "subscription_override": subscription,
            "override_until": until if granted else None,
            "override_reason": reason if granted else None,
        },
    )


async def locate(tx: Tx, store_id: UUID, point: Point | None) -> Store | None:
    """Record what the geocoder found for a store that still waits; None when it waits no longer."""
    status = GeocodeStatus.FAILED if point is None else GeocodeStatus.DONE
    row = await tx.fetchrow(
        f"""
        update stores set lat = $2, lng = $3, geocode_status = $4, version = version + 1, updated_at = clock_now()
        where id = $1 and geocode_status = 'pending' and deleted_at is null
        returning {STORE_COLUMNS}
        """,
        store_id,
        point.lat if point else None,
        point.lng if point else None,
        status,
    )
    return _store(row)


async def stamp_login(tx: Tx, store_id: UUID) -> None:
    """Holds the store's lock from here on, so that a change of its standing comes wholly before or after this login."""
    await tx.run("update stores set last_logged_in_at = clock_now() where id = $1", store_id)


async def hold(tx: Tx, store_id: UUID) -> None:
    """Keep the store's standing as it is until this transaction ends. Taken before any session's lock."""
    await tx.fetchval("select id from stores where id = $1 for share", store_id)


async def overrides_over(db: Reader, today: date, limit: int) -> list[UUID]:
    rows = await db.fetch(
        "select id from stores where override_until < $1 and deleted_at is null order by override_until, id limit $2",
        today,
        limit,
    )
    return [row["id"] for row in rows]


async def waiting_for_a_point(db: Reader, after: UUID | None, limit: int) -> list[Store]:
    rows = await db.fetch(
        f"""
        select {STORE_COLUMNS} from stores
        where geocode_status = 'pending' and deleted_at is null and ($1::uuid is null or id > $1)
        order by id limit $2
        """,
        after,
        limit,
    )
    return [Store.model_validate(dict(row)) for row in rows]


async def page(db: Reader, *, only: UUID | None, after: UUID | None, limit: int) -> list[Store]:
    """Live stores in id order."""
    rows = await db.fetch(
        f"""
        select {STORE_COLUMNS} from stores
        where deleted_at is null and ($1::uuid is null or id = $1) and ($2::uuid is null or id > $2)
        order by id limit $3
        """,
        only,
        after,
        limit,
    )
    return [Store.model_validate(dict(row)) for row in rows]
