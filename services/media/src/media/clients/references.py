"""The services that may hold a protected reference, asked before an object is deleted (spec 12.4 step 2)."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from chassis.calls import CallContext, ServiceClient
from contracts.media import MediaReference, MediaReferences
from kernel.refusal import Unavailable


class ReferencesClient(Protocol):
    async def protected(self, media_id: UUID, context: CallContext) -> list[MediaReference]:
        """Every protected use that an owner knows of. Raises `Unavailable` when one of them does not answer."""


class HttpReferences:
    """`owners` are all who can hold one."""

    def __init__(self, owners: Sequence[ServiceClient]) -> None:
        self._owners = owners

    async def protected(self, media_id: UUID, context: CallContext) -> list[MediaReference]:
        path = f"/internal/v1/media-references/{media_id}"
        answers = [await owner.read(path, model=MediaReferences, context=context) for owner in self._owners]
        return [reference for answer in answers for reference in answer.references]


class FakeReferences:
    """Answers from memory; `away` makes the owners unreachable, `asked` tells which media were asked about."""

    def __init__(self) -> None:
        self.held: dict[UUID, list[MediaReference]] = {}
        self.asked: list[UUID] = []
        self.away = False

    async def protected(self, media_id: UUID, context: CallContext) -> list[MediaReference]:  # noqa: ARG002  the port's shape
        self.asked.append(media_id)
        if self.away:
            raise Unavailable("identity")
        return self.held.get(media_id, [])
