"""Reads for screens and for other services."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.db import Reader
from contracts.identity import StoreChanged, UserChanged
from identity.domain.licences import Licence, Paging
from identity.domain.members import Invite, Member
from identity.domain.names import full_name
from identity.domain.people import Membership
from identity.domain.stores import OwnerDetail, Store
from identity.repo import invites, licences, memberships, sessions, stores, users
from kernel.page import Page
from kernel.refusal import NotFound
from kernel.scope import StoreScope


@dataclass(frozen=True, slots=True)
class StoreDetail:
    """A store with the person who owns it and its licences, as its own members and the house see it."""

    store: Store
    owner: OwnerDetail
    licences: Sequence[Mapping[str, str]]


async def own_store(db: Reader, scope: StoreScope) -> StoreDetail:
    store = await stores.own(db, scope)
    if store is None:
        raise NotFound
    return await with_owner(db, store)


async def with_owner(db: Reader, store: Store) -> StoreDetail:
    owner = await users.by_id(db, store.owner_user_id)
    role = await memberships.role_of(db, store.owner_user_id, store.id)
    if owner is None:
        raise NotFound
    return StoreDetail(
        store,
        OwnerDetail(
            id=owner.id,
            full_name=full_name(owner.first_name, owner.last_name),
            email=owner.email,
            last_active_at=owner.last_login_at,
            role=role,
        ),
        await licences.numbers(db, store.id),
    )


async def public_store(db: Reader, store_id: UUID, user_id: UUID) -> Store:
    """Raises the same NotFound for a store that is hidden from this user and for one that never was."""
    store = await stores.visible_to(db, store_id, user_id)
    if store is None:
        raise NotFound
    return store


async def my_stores(db: Reader, user_id: UUID) -> list[Membership]:
    return await memberships.of_user(db, user_id)


async def people_of_store(db: Reader, scope: StoreScope) -> tuple[list[Member], list[Invite]]:
    """Active members and open invitations. Invitations are read first, so that nobody who accepts is in neither."""
    undecided = await invites.undecided(db, scope)
    return await memberships.of_store(db, scope), [invite for invite in undecided if not invite.closed]


async def store_snapshot(db: Reader, store_id: UUID) -> StoreChanged:
    """What another service gets that asks the owner; the same as `store_changed` tells."""
    store = await stores.by_id(db, store_id)
    if store is None:
        raise NotFound
    return store.as_event()


async def live_sessions_of_store(db: Reader, store_id: UUID) -> list[UUID]:
    return await sessions.live_of_store(db, store_id)


async def live_sessions_by_licence(db: Reader, licence_id: UUID) -> list[UUID]:
    """Of the store whose licence it is. Raises NotFound."""
    store_id = await licences.store_of(db, licence_id)
    if store_id is None:
        raise NotFound
    return await sessions.live_of_store(db, store_id)


async def live_sessions_by_own_licence(db: Reader, scope: StoreScope, licence_id: UUID) -> list[UUID]:
    """Of the store in scope. Raises NotFound for a licence that is not its own, before a session is disturbed."""
    if await licences.store_of(db, licence_id) != scope.store_id:
        raise NotFound
    return await sessions.live_of_store(db, scope.store_id)


async def own_licences(db: Reader, scope: StoreScope, paging: Paging) -> Page[Licence]:
    return await licences.of_store(db, scope, paging)


async def licence_queue(db: Reader, paging: Paging) -> Page[Licence]:
    return await licences.queue(db, paging)


async def live_sessions_of_member(db: Reader, scope: StoreScope, user_id: UUID) -> list[UUID]:
    return await sessions.live_of_member(db, scope, user_id)


async def store_snapshots(
    db: Reader, *, only: UUID | None = None, after: UUID | None = None, limit: int = 200
) -> Sequence[StoreChanged]:
    return [store.as_event() for store in await stores.page(db, only=only, after=after, limit=limit)]


async def user_snapshots(
    db: Reader, *, only: UUID | None = None, after: UUID | None = None, limit: int = 200
) -> Sequence[UserChanged]:
    return [user.as_event() for user in await users.page(db, only=only, after=after, limit=limit)]
