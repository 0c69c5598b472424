"""Users. The password hash leaves only through `credentials`."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.db import Reader, Record, Tx
from chassis.ids import new_id
from identity.domain.people import Proof, User
from kernel.scope import SystemRole

USER_COLUMNS = (
    "id, email, first_name, last_name, phone, is_active, must_change_password, last_login_at, system_role, version,"
    " created_at, updated_at"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """`email` is in its normal form, `password_hash` a PHC string."""

    email: str
    password_hash: str
    first_name: str
    last_name: str
    phone: str | None = None
    system_role: SystemRole | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """An account as a login needs it. `password_hash` is None for a temporary password that has expired.

    `known_client` tells that the account has logged in from this address within 30 days.
    """

    user: User
    password_hash: str | None
    password_changed_at: datetime | None
    known_client: bool

    @property
    def proof(self) -> Proof:
        """What somebody has who knows the password."""
        return Proof(self.user.id, self.password_changed_at)


def _user(row: Record | None) -> User | None:
    return User.model_validate(dict(row)) if row else None


async def by_id(db: Reader, user_id: UUID) -> User | None:
    return _user(await db.fetchrow(f"select {USER_COLUMNS} from users where id = $1", user_id))


async def by_email(db: Reader, email: str) -> User | None:
    return _user(await db.fetchrow(f"select {USER_COLUMNS} from users where email = $1", email))


async def credentials(db: Reader, email: str, address: str) -> Credentials | None:
    row = await db.fetchrow(
        f"""
        select {USER_COLUMNS}, password_changed_at,
        case when password_expires_at <= clock_now() then null else password_hash end as password_hash,
        exists(
            select from session_families f
            where f.user_id = users.id and f.opened_from = $2 and f.created_at > clock_now() - interval '30 days'
        ) as known_client
        from users where email = $1
        """,
        email,
        address,
    )
    if row is None:
        return None
    return Credentials(
        User.model_validate(dict(row)), row["password_hash"], row["password_changed_at"], row["known_client"]
    )


async def add(tx: Tx, new: NewUser) -> User | None:
    """None when the e-mail has an account already."""
    row = await tx.fetchrow(
        f"""
        insert into users (id, email, password_hash, first_name, last_name, phone, system_role)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (email) do nothing
        returning {USER_COLUMNS}
        """,
        new_id(),
        new.email,
        new.password_hash,
        new.first_name,
        new.last_name,
        new.phone,
        new.system_role,
    )
    return _user(row)


async def stamp_login(tx: Tx, proof: Proof) -> User | None:
    """None when the user was deactivated, or got another password, since the proof.

    No version is raised: nothing that others know has changed. Holds the user's lock from here on.
    """
    row = await tx.fetchrow(
        f"""
        update users set last_login_at = clock_now()
        where id = $1 and is_active and password_changed_at is not distinct from $2 returning {USER_COLUMNS}
        """,
        proof.user_id,
        proof.password_changed_at,
    )
    return _user(row)


async def replace_hash(tx: Tx, account: Credentials, stronger: str) -> None:
    """A stronger hash of the same password; does nothing when there is another hash meanwhile."""
    await tx.run(
        "update users set password_hash = $3 where id = $1 and password_hash = $2",
        account.user.id,
        account.password_hash,
        stronger,
    )


async def deactivate(tx: Tx, user_id: UUID) -> User | None:
    """None when the user was not active."""
    row = await tx.fetchrow(
        f"""
        update users set is_active = false, version = version + 1, updated_at = clock_now()
        where id = $1 and is_active returning {USER_COLUMNS}
        """,
        user_id,
    )
    return _user(row)


async def set_system_role(tx: Tx, user_id: UUID, role: SystemRole) -> User:
    """The user exists: users are never deleted."""
    row = await tx.fetchrow(
        f"""
        update users set system_role = $2, version = version + 1, updated_at = clock_now()
        where id = $1 returning {USER_COLUMNS}
        """,
        user_id,
        role,
    )
    return User.model_validate(dict(row or {}))


async def page(db: Reader, *, only: UUID | None, after: UUID | None, limit: int) -> list[User]:
    """Users in id order."""
    rows = await db.fetch(
        f"""
        select {USER_COLUMNS} from users
        where ($1::uuid is null or id = $1) and ($2::uuid is null or id > $2)
        order by id limit $3
        """,
        only,
        after,
        limit,
    )
    return [User.model_validate(dict(row)) for row in rows]
