"""Inviting, changing and removing the people of a store (spec 2.2).

Every change locks the member's user before the store, as a log-in does, so a log-in comes wholly before or after it.
"""

from uuid import UUID

from chassis.db import Tx
from identity.domain.members import Invite, Member, may_appoint
from identity.domain.sessions import Change
from identity.domain.stores import Store
from identity.repo import invites, memberships, sessions, stores
from identity.usecases.sessions import end_sessions
from kernel.refusal import Conflict, Forbidden, NotFound
from kernel.scope import Role, StoreScope


async def invite(tx: Tx, scope: StoreScope, new: invites.NewInvite, email_mark: str) -> Invite:
    """An open invitation in place of any older one of the same e-mail, whose token is void from here on.

    It does not look for an account of that e-mail. `email_mark` stands for it in the audit log. Raises Forbidden for a
    role that the inviter may not grant, and Conflict.duplicate("email") for a member of the store.
    """
    if await stores.locked(tx, scope.store_id) is None:
        raise NotFound
    await _demand_right(tx, scope, new.invited_by, new.role)
    if await memberships.has_email(tx, scope, new.email):
        raise Conflict.duplicate("email")
    replaces = await invites.void(tx, scope, new.email)
    made = await invites.add(tx, scope, new)
    tx.audit("store.invite", "invite", made.id, {"role": new.role, "email_mark": email_mark, "replaces": replaces})
    return made


async def revoke_invite(tx: Tx, scope: StoreScope, invite_id: UUID) -> None:
    """Raises NotFound for an invitation that is not the store's, was accepted, or was revoked before."""
    if not await invites.revoke(tx, scope, invite_id):
        raise NotFound
    tx.audit("store.invite_revoke", "invite", invite_id)


async def change_role(tx: Tx, change: Change, scope: StoreScope, actor: UUID, user_id: UUID, role: Role) -> Member:
    """The member's sessions in this store act in the new role at once.

    Raises NotFound for somebody who is no member, Forbidden when the actor may grant or take away either role not,
    and Conflict "last_owner".
    """
    store, member = await _held(tx, scope, user_id)
    await _demand_right(tx, scope, actor, member.role, role)
    if member.role is role:
        return member
    if member.role is Role.OWNER:
        await _hand_over(tx, scope, store, user_id)
    await memberships.set_role(tx, scope, user_id, role)
    await sessions.note_change(tx, change, await sessions.set_role(tx, scope, user_id, role))
    tx.audit("store.member_role", "user", user_id, {"before": member.role, "after": role})
    return member.model_copy(update={"role": role})


async def remove(tx: Tx, change: Change, scope: StoreScope, actor: UUID, user_id: UUID) -> None:
    """End the membership and every session that acts for this store; other stores of the user are untouched.

    Raises as `change_role` does.
    """
    store, member = await _held(tx, scope, user_id)
    await _demand_right(tx, scope, actor, member.role)
    if member.role is Role.OWNER:
        await _hand_over(tx, scope, store, user_id)
    await memberships.remove(tx, scope, user_id)
    await end_sessions(tx, change, await sessions.live_of_member(tx, scope, user_id), "member_removed")
    tx.audit("store.member_remove", "user", user_id, {"role": member.role})


async def _held(tx: Tx, scope: StoreScope, user_id: UUID) -> tuple[Store, Member]:
    """The store and the member, under their locks."""
    await memberships.hold_user(tx, scope, user_id)
    store = await stores.locked(tx, scope.store_id)
    member = await memberships.member(tx, scope, user_id)
    if store is None or member is None:
        raise NotFound
    return store, member


async def _demand_right(tx: Tx, scope: StoreScope, actor: UUID, *roles: Role) -> None:
    """By the membership as it is now: the actor's session may be a second older."""
    held = await memberships.role_of(tx, actor, scope.store_id)
    if not all(may_appoint(held, role) for role in roles):
        raise Forbidden("role_missing")


async def _hand_over(tx: Tx, scope: StoreScope, store: Store, user_id: UUID) -> None:
    """Somebody has to own the store. Whoever has owned it longest beside this user becomes the owner it is told by."""
    owners = await memberships.other_owners(tx, scope, user_id)
    if not owners:
        raise Conflict("last_owner", "a store needs an owner")
    if store.owner_user_id == user_id:
        changed = await stores.change(tx, store.id, {"owner_user_id": owners[0]})
        tx.emit(changed.as_event())
