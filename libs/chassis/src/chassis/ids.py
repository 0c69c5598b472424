"""New ids: UUIDv7, so that primary keys grow with time and pages stay warm."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    return uuid7()
