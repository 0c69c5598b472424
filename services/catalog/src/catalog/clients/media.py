"""The owner of media, asked before one is refused on the word of the projection, and for URLs to read private ones."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from chassis.calls import CallContext, ServiceClient
from contracts.media import MediaChanged, ReadUrls, ReadUrlsRequest
from kernel.refusal import NotFound, Unavailable


class MediaClient(Protocol):
    """Both methods raise `Unavailable` when media does not answer."""

    async def medium(self, media_id: UUID, context: CallContext) -> MediaChanged | None:
        """The medium as it is now; None when there is none."""

    async def read_urls(self, media_ids: Sequence[UUID], context: CallContext) -> dict[UUID, str]:
        """Signed URLs of those that can be read, at most 100 at once; each lives for some minutes."""


class HttpMedia:
    def __init__(self, calls: ServiceClient) -> None:
        self._calls = calls

    async def medium(self, media_id: UUID, context: CallContext) -> MediaChanged | None:
        try:
            return await self._calls.read(f"/internal/v1/media/{media_id}", model=MediaChanged, context=context)
        except NotFound:
            return None

    async def read_urls(self, media_ids: Sequence[UUID], context: CallContext) -> dict[UUID, str]:
        answer = await self._calls.command(
            "/internal/v1/media/read-urls",
            ReadUrlsRequest(media_ids=list(media_ids)),
            model=ReadUrls,
            context=context,
        )
        return {read.media_id: read.url for read in answer.urls if read.url}


class FakeMedia:
    """Answers from memory; `away` makes it unreachable, `asked` tells which media were asked about."""

    def __init__(self) -> None:
        self.media: dict[UUID, MediaChanged] = {}
        self.asked: list[UUID] = []
        self.away = False

    async def medium(self, media_id: UUID, context: CallContext) -> MediaChanged | None:  # noqa: ARG002  the port's shape
        self._answer()
        self.asked.append(media_id)
        return self.media.get(media_id)

    async def read_urls(self, media_ids: Sequence[UUID], context: CallContext) -> dict[UUID, str]:  # noqa: ARG002  as above
        self._answer()
        return {media_id: f"https://signed.test/{media_id}" for media_id in media_ids if media_id in self.media}

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("media")
