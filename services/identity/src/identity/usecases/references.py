"""The last question before an object is deleted (spec 12.4)."""

from uuid import UUID

from chassis.db import Tx
from contracts.media import MediaReferences
from identity.repo import licences, media


async def protected_references(tx: Tx, media_id: UUID) -> MediaReferences:
    """The licences that hold this medium. A "none" stays true: from here on its use begins with a question to media.

    Whoever was about to use it on the word of the projection holds its row, and is waited for and counted.
    """
    await media.doubt(tx, media_id)
    return MediaReferences(media_id=media_id, references=await licences.references(tx, media_id))
