"""Events heard: each is one sentence about what it does here. Every owner of uses speaks the same two."""

from chassis.db import Tx
from contracts.media import Attachment, Detachment
from media.usecases import attachments


async def keep_attachment(tx: Tx, event: Attachment) -> None:
    """Something holds a medium from now on."""
    await attachments.attach(tx, event)


async def end_attachment(tx: Tx, event: Detachment) -> None:
    """Something lets go of a medium, which may have to go with it."""
    await attachments.detach(tx, event)
