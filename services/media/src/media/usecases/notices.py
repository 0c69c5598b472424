"""Which messages of the store were settled (spec 1.9): a record, on which nothing depends."""

from chassis.db import Tx
from media.repo.media import FORGET_SEEN, SEEN


async def remember(tx: Tx, message_id: str) -> None:
    await tx.run(SEEN, message_id)


async def forget(tx: Tx, limit: int) -> int:
    """How many records of more than 30 days were deleted, at most `limit`."""
    return await tx.run(FORGET_SEEN, limit)
