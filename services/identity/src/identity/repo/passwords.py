"""Setting passwords, and the one-time tokens of those who have forgotten theirs: only digests are stored."""

from datetime import timedelta
from uuid import UUID

from chassis.db import Reader, Tx
from identity.domain.people import Proof, User
from identity.repo.users import USER_COLUMNS


async def lock_proved(tx: Tx, proof: Proof) -> bool:
    """Hold the user's lock; False when they were deactivated, or got another password, since the proof."""
    held = await tx.fetchval(
        """
        select true from users where id = $1 and is_active and password_changed_at is not distinct from $2
        for no key update
        """,
        proof.user_id,
        proof.password_changed_at,
    )
    return held is not None


async def lock(tx: Tx, user_id: UUID) -> User | None:
    row = await tx.fetchrow(f"select {USER_COLUMNS} from users where id = $1 for no key update", user_id)
    return User.model_validate(dict(row)) if row else None


async def replace(tx: Tx, user_id: UUID, password_hash: str, life: timedelta | None) -> None:
    """Another password for a locked user; a temporary one has a `life` and must be changed.

    The instant is taken under the lock and not from the beginning of the transaction: so it is later than whatever
    was done on the former password, and earlier than whatever is done on this one. A token for resetting is void.
    """
    await tx.run(
        """
        with void as (delete from password_resets where user_id = $1)
        update users
        set password_hash = $2, password_changed_at = clock_now() + (clock_timestamp() - now()),
            must_change_password = $3::interval is not null, password_expires_at = clock_now() + $3::interval,
            updated_at = clock_now()
        where id = $1
        """,
        user_id,
        password_hash,
        life,
    )


async def proof_of_joining(db: Reader, user_id: UUID, store_id: UUID) -> Proof | None:
    """What somebody has proved who has joined this store; None when they have got another password since."""
    row = await db.fetchrow(
        """
        select u.password_changed_at from users u join store_memberships m on m.user_id = u.id
        where u.id = $1 and m.store_id = $2
        and (u.password_changed_at is null or u.password_changed_at < m.created_at)
        """,
        user_id,
        store_id,
    )
    return Proof(user_id, row["password_changed_at"]) if row else None


async def keep_token(tx: Tx, email: str, token_sha256: bytes, life: timedelta) -> UUID | None:
    """The user who may set a new password with this token from now on; None when the e-mail has no active account.

    One statement whoever asks. It voids an older token of the user.
    """
    holder: UUID | None = await tx.fetchval(
        """
        insert into password_resets as kept (user_id, token_sha256, expires_at)
        select id, $2, clock_now() + $3::interval from users where email = $1 and is_active
        on conflict (user_id) do update
        set token_sha256 = excluded.token_sha256, expires_at = excluded.expires_at, created_at = clock_now()
        returning user_id
        """,
        email,
        token_sha256,
        life,
    )
    return holder


async def token_holder(db: Reader, token_sha256: bytes) -> UUID | None:
    """Whose token this is, as long as it is good."""
    holder: UUID | None = await db.fetchval(
        "select user_id from password_resets where token_sha256 = $1 and expires_at > clock_now()", token_sha256
    )
    return holder


async def use_token(tx: Tx, user_id: UUID, token_sha256: bytes) -> bool:
    """Whether the token of this locked user was good until now; it is no more."""
    used = await tx.run(
        "delete from password_resets where user_id = $1 and token_sha256 = $2 and expires_at > clock_now()",
        user_id,
        token_sha256,
    )
    return used == 1
