"""Links to what may be read. In a list they are decoration: without the signer they are null (spec 1.10)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.db import Record
from chassis.telemetry import get_logger
from contracts.media import ReadUrl, ReadUrls
from media.clients.storage import Readable, Signer
from media.domain.media import READABLE, Mime, Status, disposition

_log = get_logger(__name__)


async def with_links(signer: Signer, rows: Sequence[Record]) -> list[dict[str, Any]]:
    """Rows of the list as the wire sees them."""
    links, _ = await _links(signer, [row for row in rows if Status(row["status"]) in READABLE])
    return [{**_shown(row), "signed_url": links.get(row["id"])} for row in rows]


async def read_urls(signer: Signer, media_ids: Sequence[UUID], rows: Sequence[Record]) -> ReadUrls:
    """One entry for each id that was asked for; `rows` are those that can be read."""
    links, ends = await _links(signer, rows)
    urls = [
        ReadUrl(media_id=one, url=links[one], expires_at=ends) if one in links else ReadUrl(media_id=one)
        for one in media_ids
    ]
    return ReadUrls(urls=urls)


async def _links(signer: Signer, rows: Sequence[Record]) -> tuple[dict[UUID, str], datetime | None]:
    if not rows:
        return {}, None
    try:
        urls, ends = await signer.reads([_readable(row) for row in rows])
    except Exception as error:  # noqa: BLE001  whatever a signer raises, the list itself is there
        _log.error("media.not_signed", problem=type(error).__name__, exc_info=error)
        return {}, None
    return {row["id"]: url for row, url in zip(rows, urls, strict=True)}, ends


def _readable(row: Record) -> Readable:
    return Readable(row["gcs_key"], disposition(Mime(row["mime_type"])), row["file_name"])


def _shown(row: Record) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "gcs_key"}
