"""Logo and banner of a store: a change is one detach and one attach (spec 12.3)."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chassis.db import Tx
from chassis.ids import new_id
from identity.domain.media import PICTURES, Medium, demand_usable
from identity.domain.stores import Store
from identity.repo import media
from identity.usecases.attachments import Hold, attach, detach
from kernel.scope import StoreScope

Given = Mapping[str, Medium | None]
"""The media that were named, by picture; None for one that is not known. A picture that was not named is not there."""


async def held_pictures(tx: Tx, scope: StoreScope, changes: Mapping[str, Any]) -> Given:
    """The media that a change of a profile names, under their locks, which are taken before the store's."""
    named = {name: changes[_column(name)] for name in PICTURES if changes.get(_column(name)) is not None}
    return {name: await media.held(tx, scope, media_id) for name, media_id in named.items()}


def hung(tx: Tx, store: Store, changes: Mapping[str, Any], given: Given) -> dict[str, Any]:
    """What to set for pictures: the changes of columns that follow from those that the profile names.

    A picture that is up already stays as it is. Raises as `demand_usable` does.
    """
    columns: dict[str, Any] = {}
    for name in PICTURES:
        if _column(name) not in changes or changes[_column(name)] == getattr(store, _column(name)):
            continue
        columns |= taken_down(tx, store, name)
        if changes[_column(name)] is not None:
            columns |= _put_up(tx, store, name, given[name])
    return columns


def taken_down(tx: Tx, store: Store, name: str) -> dict[str, Any]:
    """Let go of the picture that is up, if one is."""
    media_id: UUID | None = getattr(store, _column(name))
    if media_id is not None:
        detach(tx, _hold(store, name, media_id, getattr(store, f"{name}_attachment_id")))
    return _columns(name, None, None)


def _put_up(tx: Tx, store: Store, name: str, given: Medium | None) -> dict[str, Any]:
    medium = demand_usable(given, PICTURES[name], _column(name))
    attachment_id = new_id()
    attach(tx, _hold(store, name, medium.media_id, attachment_id), medium.gcs_key)
    return _columns(name, medium, attachment_id)


def _hold(store: Store, name: str, media_id: UUID, attachment_id: UUID) -> Hold:
    return Hold(
        attachment_id=attachment_id,
        media_id=media_id,
        entity_type=PICTURES[name].entity_type,
        entity_id=store.id,
        store_id=store.id,
    )


def _columns(name: str, medium: Medium | None, attachment_id: UUID | None) -> dict[str, Any]:
    return {
        _column(name): medium.media_id if medium else None,
        f"{name}_attachment_id": attachment_id,
        f"{name}_gcs_key": medium.gcs_key if medium else None,
        f"{name}_url": medium.public_url if medium else None,
    }


def _column(name: str) -> str:
    return f"{name}_media_id"
