"""What the wire sees (spec 3.3)."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from chassis.web import CLEAN, Body, PageQuery, page_of
from media.domain.media import FILE_NAME_MAX, SIZE_MAX, Kind, Mime, Status


class PresignBody(Body):
    media_kind: Kind
    mime_type: Mime
    file_name: Annotated[str, Field(min_length=1, max_length=FILE_NAME_MAX), CLEAN]
    size_bytes: Annotated[int, Field(strict=True, ge=1, le=SIZE_MAX)]


class Presigned(BaseModel):
    """PUT the bytes to `signed_put_url` with every one of `headers`, exactly as they are, before `expires_at`."""

    media_id: UUID
    gcs_key: str
    content_type: Mime
    signed_put_url: str
    headers: dict[str, str]
    expires_at: datetime


class MediaQuery(PageQuery):
    kind: Kind | None = None
    status: Status | None = None
    mime_type: Mime | None = None
    search: Annotated[str, Field(max_length=FILE_NAME_MAX), CLEAN] | None = None


class Medium(BaseModel):
    """`signed_url` is there when the file is uploaded or ready, and good for some minutes."""

    id: UUID
    store_id: UUID
    user_id: UUID
    kind: Kind
    status: Status
    file_name: str
    mime_type: Mime
    size_bytes: int
    created_at: datetime
    uploaded_at: datetime | None
    signed_url: str | None


MediaList = page_of("items", Medium)
