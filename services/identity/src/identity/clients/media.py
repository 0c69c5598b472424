"""The owner of media: what a medium is now, and links to read scans by (spec 1.10)."""

from collections.abc import Collection
from typing import Protocol
from uuid import UUID

from chassis.calls import CallContext, ServiceClient, hurried
from contracts.media import MediaChanged, ReadUrls, ReadUrlsRequest
from kernel.refusal import NotFound, Unavailable

LINKS_SECONDS = 1.0
"""Links are decoration: a list waits no longer for them, and is shown without."""


class MediaClient(Protocol):
    async def medium(self, media_id: UUID, context: CallContext) -> MediaChanged | None:
        """The medium as it is now; None when there is none. Raises `Unavailable` when media does not answer."""

    async def read_urls(self, media_ids: Collection[UUID], context: CallContext) -> dict[UUID, str]:
        """Signed links to those of at most 100 media that can be read; none at all while media does not answer."""


class HttpMedia:
    def __init__(self, calls: ServiceClient) -> None:
        self._calls = calls

    async def medium(self, media_id: UUID, context: CallContext) -> MediaChanged | None:
        try:
            return await self._calls.read(f"/internal/v1/media/{media_id}", model=MediaChanged, context=context)
        except NotFound:
            return None

    async def read_urls(self, media_ids: Collection[UUID], context: CallContext) -> dict[UUID, str]:
        if not media_ids:
            return {}
        asked = ReadUrlsRequest(media_ids=sorted(set(media_ids)))
        try:
            answer = await self._calls.command(
                "/internal/v1/media/read-urls", asked, model=ReadUrls, context=hurried(context, LINKS_SECONDS)
            )
        except Unavailable:
            return {}
        return {one.media_id: one.url for one in answer.urls if one.url is not None}


class FakeMedia:
    """Answers from memory; `away` makes it unreachable, `asked` tells which media were asked about."""

    def __init__(self) -> None:
        self.media: dict[UUID, MediaChanged] = {}
        self.asked: list[UUID] = []
        self.away = False

    async def medium(self, media_id: UUID, context: CallContext) -> MediaChanged | None:  # noqa: ARG002  the port's shape
        if self.away:
            raise Unavailable("media")
        self.asked.append(media_id)
        return self.media.get(media_id)

    async def read_urls(self, media_ids: Collection[UUID], context: CallContext) -> dict[UUID, str]:  # noqa: ARG002  as above
        if self.away:
            return {}
        readable = [self.media[one] for one in media_ids if one in self.media]
        return {
            one.media_id: f"https://storage.example/{one.gcs_key}?signed"
            for one in readable
            if one.status in {"uploaded", "ready"}
        }
