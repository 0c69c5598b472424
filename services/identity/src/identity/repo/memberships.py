"""Who belongs to which store. Only memberships with status `active` are ever answered."""

from uuid import UUID

from chassis.db import Reader, Tx
from chassis.ids import new_id
from identity.domain.members import Member
from identity.domain.people import Membership
from kernel.scope import Role, StoreScope

_CHOICE = """
    select m.store_id, s.company_name as name, s.type, m.role, s.logo_url
    from store_memberships m join stores s on s.id = m.store_id
    where m.user_id = $1 and m.status = 'active' and s.deleted_at is null
"""

_MEMBER = """
    select m.id as membership_id, m.store_id, m.user_id, u.email, u.first_name, u.last_name, m.role,
           m.status as membership_status, m.created_at, u.last_login_at
    from store_memberships m join users u on u.id = m.user_id
    where m.store_id = $1 and m.status = 'active'
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


async def of_store(db: Reader, scope: StoreScope) -> list[Member]:
    """Who came first stands first."""
    rows = await db.fetch(f"{_MEMBER} order by m.created_at, m.id", scope.store_id)
    return [Member.model_validate(dict(row)) for row in rows]


async def member(db: Reader, scope: StoreScope, user_id: UUID) -> Member | None:
    row = await db.fetchrow(f"{_MEMBER} and m.user_id = $2", scope.store_id, user_id)
    return Member.model_validate(dict(row)) if row else None


async def has_email(db: Reader, scope: StoreScope, email: str) -> bool:
    """Whether the account of this e-mail belongs to the store."""
    return await db.fetchrow(f"{_MEMBER} and u.email = $2", scope.store_id, email) is not None


async def hold_user(tx: Tx, scope: StoreScope, user_id: UUID) -> None:
    """Let no login of this member run beside what follows. Nobody but the store's own members is held up."""
    await tx.fetchval(
        """
        select u.id from users u where u.id = $2 and exists(
            select from store_memberships m where m.store_id = $1 and m.user_id = u.id and m.status = 'active')
        for no key update
        """,
        scope.store_id,
        user_id,
    )


async def other_owners(tx: Tx, scope: StoreScope, user_id: UUID) -> list[UUID]:
    """Who owns the store beside this user and can still sign in, by how long they have."""
    rows = await tx.fetch(
        f"{_MEMBER} and m.role = 'owner' and u.is_active and m.user_id <> $2 order by m.created_at, m.id",
        scope.store_id,
        user_id,
    )
    return [row["user_id"] for row in rows]


async def set_role(tx: Tx, scope: StoreScope, user_id: UUID, role: Role) -> None:
    await tx.run(
        """
        update store_memberships set role = $3, updated_at = clock_now()
        where store_id = $1 and user_id = $2 and status = 'active'
        """,
        scope.store_id,
        user_id,
        role,
    )


async def remove(tx: Tx, scope: StoreScope, user_id: UUID) -> None:
    await tx.run(
        """
        update store_memberships set status = 'removed', updated_at = clock_now()
        where store_id = $1 and user_id = $2 and status = 'active'
        """,
        scope.store_id,
        user_id,
    )


async def join(tx: Tx, *, invite_id: UUID, user_id: UUID) -> bool:
    """Belong to the store as the invitation says, perhaps again; False for somebody who does already."""
    joined = await tx.run(
        """
        insert into store_memberships as m (id, store_id, user_id, role, status, invited_by_user_id)
        select $1::uuid, store_id, $2::uuid, role, 'active', invited_by_user_id from store_invites where id = $3
        on conflict (store_id, user_id) do update
        set role = excluded.role, status = 'active', invited_by_user_id = excluded.invited_by_user_id,
            created_at = clock_now(), updated_at = clock_now()
        where m.status <> 'active'
        """,
        new_id(),
        user_id,
        invite_id,
    )
    return joined == 1


async def add(tx: Tx, *, store_id: UUID, user_id: UUID, role: Role) -> None:
    await tx.run(
        "insert into store_memberships (id, store_id, user_id, role, status) values ($1, $2, $3, $4, 'active')",
        new_id(),
        store_id,
        user_id,
        role,
    )
