"""Who belongs to which store. Only memberships with status `active` are ever answered."""

from uuid import UUID

from chassis.db import Reader, Tx
from chassis.ids import new_id
from identity.domain.people import Membership
from kernel.scope import Role

_CHOICE = """
    select m.store_id, s.company_name as name, s.type, m.role, s.logo_url
    from store_memberships m join stores s on s.id = m.store_id
    where m.user_id = $1 and m.status = 'active' and s.deleted_at is null
"""


async def of_user(db: Reader, user_id: UUID) -> list[Membership]:
    """By company name whatever its case, then store id: the first is the store a login starts with (spec 2.2)."""
    rows = await db.fetch(f"{_CHOICE} order by lower(s.company_name), s.id", user_id)
    return [Membership.model_validate(dict(row)) for row in rows]


async def find(db: Reader, user_id: UUID, store_id: UUID) -> Membership | None:
    row = await db.fetchrow(f"{_CHOICE} and m.store_id = $2", user_id, store_id)
    return Membership.model_validate(dict(row)) if row else None


async def role_of(db: Reader, user_id: UUID, store_id: UUID) -> Role | None:
    found = await find(db, user_id, store_id)
    return found.role if found else None


async def add(tx: Tx, *, store_id: UUID, user_id: UUID, role: Role) -> None:
    await tx.run(
        "insert into store_memberships (id, store_id, user_id, role, status) values ($1, $2, $3, $4, 'active')",
        new_id(),
        store_id,
        user_id,
        role,
    )
