"""Session families and refresh tokens: the truth about who is signed in (spec 1.6)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.db import Reader, Record, Tx
from chassis.ids import new_id
from identity.domain.people import Membership
from identity.domain.sessions import Change, Family, RefreshToken
from kernel.scope import Role, StoreScope, SystemRole

_FAMILY = """
    select f.id, f.user_id, f.generation, f.membership_version, f.active_store_id, f.store_type, f.role, f.system_role,
           f.must_change_password, f.created_at, f.rotated_at, f.revoked_at, u.is_active as user_is_active,
           s.kyc_status, s.kyc_override, clock_now() as now
    from session_families f
    join users u on u.id = f.user_id
    left join stores s on s.id = f.active_store_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a session may do from now on: read again from user, membership and store at each change."""

    membership: Membership | None
    system_role: SystemRole | None
    must_change_password: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFamily:
    id: UUID
    user_id: UUID
    standing: Standing
    first_token: bytes
    opened_from: str


def _family(row: Record | None) -> Family | None:
    return Family.model_validate(dict(row)) if row else None


async def find(db: Reader, sids: Collection[UUID]) -> list[Family]:
    rows = await db.fetch(f"{_FAMILY} where f.id = any($1::uuid[])", list(sids))
    return [Family.model_validate(dict(row)) for row in rows]


async def locked(tx: Tx, sid: UUID) -> Family | None:
    """The family under its lock, so that exchanges, switches and changes of standing follow one another."""
    return _family(await tx.fetchrow(f"{_FAMILY} where f.id = $1 for update of f", sid))


async def live_of_store(db: Reader, store_id: UUID) -> list[UUID]:
    rows = await db.fetch("select id from session_families where active_store_id = $1 and revoked_at is null", store_id)
    return [row["id"] for row in rows]


async def live_of_user(db: Reader, user_id: UUID) -> list[UUID]:
    rows = await db.fetch("select id from session_families where user_id = $1 and revoked_at is null", user_id)
    return [row["id"] for row in rows]


async def live_of_member(db: Reader, scope: StoreScope, user_id: UUID) -> list[UUID]:
    """Of this user, while acting for this store."""
    rows = await db.fetch(
        "select id from session_families where user_id = $1 and active_store_id = $2 and revoked_at is null",
        user_id,
        scope.store_id,
    )
    return [row["id"] for row in rows]


async def locked_of_user(tx: Tx, user_id: UUID) -> list[UUID]:
    """All live sessions of a user, under their locks."""
    rows = await tx.fetch(
        "select id from session_families where user_id = $1 and revoked_at is null order by id for update", user_id
    )
    return [row["id"] for row in rows]


async def free_of_new_password(tx: Tx, sid: UUID) -> None:
    """This session may do everything again that its standing allows; hot copies made before are older than this."""
    await tx.run(
        """
        update session_families set must_change_password = false, membership_version = membership_version + 1
        where id = $1
        """,
        sid,
    )


async def open_family(tx: Tx, new: NewFamily) -> None:
    store = new.standing.membership
    await tx.run(
        """
        with family as (
            insert into session_families (id, user_id, active_store_id, store_type, role, system_role,
                                          must_change_password, opened_from)
            values ($1, $2, $3, $4, $5, $6, $7, $8) returning id, generation
        )
        insert into refresh_tokens (hash, family, generation) select $9, id, generation from family
        """,
        new.id,
        new.user_id,
        store.store_id if store else None,
        store.type if store else None,
        store.role if store else None,
        new.standing.system_role,
        new.standing.must_change_password,
        new.opened_from,
        new.first_token,
    )


async def token(tx: Tx, family: UUID, token_hash: bytes) -> RefreshToken | None:
    row = await tx.fetchrow(
        """
        select hash, family, generation, used_at, used_by, successor from refresh_tokens where hash = $1 and family = $2
        """,
        token_hash,
        family,
    )
    return RefreshToken.model_validate(dict(row)) if row else None


async def rotate(tx: Tx, presented: RefreshToken, successor: bytes, client: str, standing: Standing) -> bool:
    """One generation forward, in one statement, if and only if the presented token was not used before."""
    store = standing.membership
    moved = await tx.run(
        """
        with used as (
            update refresh_tokens set used_at = clock_now(), used_by = $3, successor = $2
            where hash = $1 and used_at is null
            returning family, generation + 1 as generation
        ), next as (
            insert into refresh_tokens (hash, family, generation) select $2, family, generation from used
        )
        update session_families f
        set generation = used.generation, rotated_at = clock_now(), active_store_id = $4, store_type = $5, role = $6,
            system_role = $7, must_change_password = $8
        from used where f.id = used.family and f.revoked_at is null
        """,
        presented.hash,
        successor,
        client,
        store.store_id if store else None,
        store.type if store else None,
        store.role if store else None,
        standing.system_role,
        standing.must_change_password,
    )
    return moved == 1


async def replace_token(tx: Tx, family: Family, next_token: bytes, client: str, standing: Standing) -> None:
    """One generation forward without a presented token: the live one is used up and has no successor to give again."""
    store = standing.membership
    await tx.run(
        """
        with used as (
            update refresh_tokens set used_at = clock_now(), used_by = $3 where family = $1 and used_at is null
        ), next as (
            insert into refresh_tokens (hash, family, generation) values ($2, $1, $4)
        )
        update session_families
        set generation = $4, rotated_at = clock_now(), active_store_id = $5, store_type = $6, role = $7,
            system_role = $8, must_change_password = $9
        where id = $1
        """,
        family.id,
        next_token,
        client,
        family.generation + 1,
        store.store_id if store else None,
        store.type if store else None,
        store.role if store else None,
        standing.system_role,
        standing.must_change_password,
    )


async def revoke(tx: Tx, sids: Collection[UUID], reason: str) -> None:
    """End these sessions; those that had ended before are left as they are."""
    await tx.run(
        """
        with live as (
            select id from session_families where id = any($1::uuid[]) and revoked_at is null order by id for update
        )
        update session_families f set revoked_at = clock_now(), reason = $2 from live where f.id = live.id
        """,
        list(sids),
        reason,
    )


async def raise_version_of_store(tx: Tx, store_id: UUID) -> list[UUID]:
    """What the sessions of this store may do has changed: hot copies made before are older than those made after."""
    rows = await tx.fetch(
        """
        with live as (
            select id from session_families where active_store_id = $1 and revoked_at is null order by id for update
        )
        update session_families f set membership_version = membership_version + 1 from live where f.id = live.id
        returning f.id
        """,
        store_id,
    )
    return [row["id"] for row in rows]


async def set_role(tx: Tx, scope: StoreScope, user_id: UUID, role: Role) -> list[UUID]:
    """The sessions in which this user acts for the store act in another role from now on; answers which these are."""
    rows = await tx.fetch(
        """
        with live as (
            select id from session_families where user_id = $1 and active_store_id = $2 and revoked_at is null
            order by id for update
        )
        update session_families f set role = $3, membership_version = membership_version + 1
        from live where f.id = live.id returning f.id
        """,
        user_id,
        scope.store_id,
        role,
    )
    return [row["id"] for row in rows]


async def note_change(tx: Tx, change: Change, sids: Collection[UUID]) -> None:
    """Count these sessions as changed, and leave a note for each whose hot copy could not be marked before."""
    unmarked = sorted(change.touch(sids))
    if unmarked:
        await tx.run(
            "insert into session_copies_owed (id, sid) select * from unnest($1::uuid[], $2::uuid[])",
            [new_id() for _ in unmarked],
            unmarked,
        )


async def owed(db: Reader, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """(id of the note, sid), oldest first."""
    rows = await db.fetch("select id, sid from session_copies_owed order by id limit $1", limit)
    return [(row["id"], row["sid"]) for row in rows]


async def forgive(tx: Tx, notes: Collection[UUID]) -> None:
    await tx.run("delete from session_copies_owed where id = any($1::uuid[])", list(notes))
