"""One function per event heard."""

from chassis.db import Tx
from contracts.media import MediaChanged
from identity.usecases.media import keep_medium


async def keep_media_view(tx: Tx, event: MediaChanged) -> None:
    """A deleted logo or banner comes down with it."""
    await keep_medium(tx, event, epoch=tx.cause.epoch if tx.cause else None)
