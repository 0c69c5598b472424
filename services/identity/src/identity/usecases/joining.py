"""Accepting an invitation (spec 2.2)."""

from chassis.db import Tx
from identity.domain.members import Invite
from identity.domain.people import Proof, User
from identity.repo import invites, memberships, stores
from identity.usecases.accounts import Account, Entered, add_user, come_in, stamped
from kernel.refusal import Conflict, NotFound


def demand_open(invite: Invite | None) -> Invite:
    """Raises NotFound, and Conflict "invite_used", "invite_revoked" or "invite_expired"."""
    if invite is None:
        raise NotFound
    if invite.closed:
        raise Conflict(invite.closed, "the invitation can be accepted no more")
    return invite


async def accept(tx: Tx, invite: Invite, account: Account, opened_from: str) -> Entered:
    """Membership and session at once, once: of several who accept one invitation, one comes in.

    Nothing of an account that is there already changes. Locks are taken in the order of a log-in: user, store,
    invitation.
    """
    known = await stamped(tx, account) if isinstance(account, Proof) else account
    await stores.stamp_login(tx, invite.store_id)
    demand_open(await invites.locked(tx, invite.id))
    user = known if isinstance(known, User) else await add_user(tx, known)
    await invites.accept(tx, invite.id)
    if not await memberships.join(tx, invite_id=invite.id, user_id=user.id):
        raise Conflict.duplicate("email")
    tx.audit("store.invite_accept", "invite", invite.id, {"user_id": user.id, "role": invite.role})
    return await come_in(tx, user, invite.store_id, opened_from)
