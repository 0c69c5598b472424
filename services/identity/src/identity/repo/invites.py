"""Invitations. Only the digest of a token is kept."""

from dataclasses import dataclass
from uuid import UUID

from chassis.db import Reader, Record, Tx
from chassis.ids import new_id
from identity.domain.members import INVITE_LIFE, Invite
from kernel.scope import Role, StoreScope

_INVITE = """
    select i.id, i.store_id, s.company_name as store_name, i.email, i.first_name, i.last_name, i.role, i.expires_at,
           i.accepted_at, i.revoked_at, i.created_at, clock_now() as now,
           case when u.is_active and m.status = 'active' then m.role end as inviter_role
    from store_invites i
    join stores s on s.id = i.store_id and s.deleted_at is null
    join users u on u.id = i.invited_by_user_id
    left join store_memberships m on m.store_id = i.store_id and m.user_id = i.invited_by_user_id
"""
_UNDECIDED = "accepted_at is null and revoked_at is null"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInvite:
    """`email` is in its normal form, `token_hash` the SHA-256 of the token."""

    email: str
    first_name: str
    last_name: str
    role: Role
    token_hash: bytes
    invited_by: UUID


def _invite(row: Record | None) -> Invite | None:
    return Invite.model_validate(dict(row)) if row else None


async def by_token(db: Reader, token_hash: bytes) -> Invite | None:
    return _invite(await db.fetchrow(f"{_INVITE} where i.token_sha256 = $1", token_hash))


async def locked(tx: Tx, invite_id: UUID) -> Invite | None:
    """The invitation under its lock, so that it is accepted or revoked once."""
    return _invite(await tx.fetchrow(f"{_INVITE} where i.id = $1 for update of i", invite_id))


async def undecided(db: Reader, scope: StoreScope) -> list[Invite]:
    """Neither accepted nor revoked, oldest first; what of them is still open, the invitation itself knows."""
    rows = await db.fetch(
        f"{_INVITE} where i.store_id = $1 and i.accepted_at is null and i.revoked_at is null"
        " order by i.created_at, i.id",
        scope.store_id,
    )
    return [Invite.model_validate(dict(row)) for row in rows]


async def add(tx: Tx, scope: StoreScope, new: NewInvite) -> Invite:
    """The store's lock is held, and no invitation of this e-mail is undecided."""
    invite_id = new_id()
    await tx.run(
        """
        insert into store_invites (id, store_id, email, first_name, last_name, role, token_sha256, invited_by_user_id,
                                   expires_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, clock_now() + $9::interval)
        """,
        invite_id,
        scope.store_id,
        new.email,
        new.first_name,
        new.last_name,
        new.role,
        new.token_hash,
        new.invited_by,
        INVITE_LIFE,
    )
    row = await tx.fetchrow(f"{_INVITE} where i.id = $1", invite_id)
    return Invite.model_validate(dict(row or {}))


async def accept(tx: Tx, invite_id: UUID) -> None:
    """The invitation's lock is held, and it is open."""
    await tx.run("update store_invites set accepted_at = clock_now() where id = $1", invite_id)


async def void(tx: Tx, scope: StoreScope, email: str) -> bool:
    """Make room for a new invitation of the same e-mail; answers whether there was an undecided one."""
    statement = f"update store_invites set revoked_at = clock_now() where store_id = $1 and email = $2 and {_UNDECIDED}"
    return await tx.run(statement, scope.store_id, email) > 0


async def revoke(tx: Tx, scope: StoreScope, invite_id: UUID) -> bool:
    statement = f"update store_invites set revoked_at = clock_now() where store_id = $1 and id = $2 and {_UNDECIDED}"
    return await tx.run(statement, scope.store_id, invite_id) > 0


async def forget(tx: Tx, limit: int) -> int:
    """Remove what ran out 30 days ago, accepted or not; answers how many there were."""
    return await tx.run(
        """
        delete from store_invites where id in (
            select id from store_invites where expires_at < clock_now() - interval '30 days'
            order by expires_at limit $1 for update skip locked
        )
        """,
        limit,
    )
