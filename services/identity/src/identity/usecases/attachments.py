"""Telling media what is held and what is let go (spec 12.3)."""

from dataclasses import asdict, dataclass
from uuid import UUID

from chassis.db import Tx
from contracts.identity import IdentityMediaAttached, IdentityMediaDetached
from contracts.media import EntityType


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One use of one medium; its id was chosen for it and is never used again."""

    attachment_id: UUID
    media_id: UUID
    entity_type: EntityType
    entity_id: UUID
    store_id: UUID


def attach(tx: Tx, hold: Hold, gcs_key: str) -> None:
    tx.emit(IdentityMediaAttached(**asdict(hold), gcs_key=gcs_key, attached_at=tx.now))


def detach(tx: Tx, hold: Hold, *, purge: bool = False) -> None:
    """With `purge` media deletes the medium too, once nothing else holds it."""
    tx.emit(IdentityMediaDetached(**asdict(hold), detached_at=tx.now, purge=purge))
