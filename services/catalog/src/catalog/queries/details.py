"""One product as it is told, and the media it shows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from catalog.domain.media import Medium
from catalog.repo.media import KNOWN
from chassis.db import Reader
from chassis.jsontext import encode_json

PRIVATE = """
    (select array_agg(g.media_id) from product_media g where g.product_id = r.id and g.url is null) as pictures,
    r.coa_media_id as certificate"""
"""Media of a product `r` that can be read by a signed URL only."""


@dataclass(frozen=True, slots=True)
class Detail:
    """A product as JSON text, without a URL for what has no public one: its `private` media."""

    text: str
    private: Sequence[UUID]

    def with_urls(self, urls: Mapping[UUID, str]) -> str:
        """The text with these URLs where they belong."""
        product = json.loads(self.text)
        by_id = {str(media_id): url for media_id, url in urls.items()}
        for picture in product["media"]:
            picture["url"] = picture["url"] or by_id.get(picture["media_id"])
        product["coa_read_url"] = by_id.get(product["coa_media_id"])
        return encode_json(product)


async def read_detail(db: Reader, statement: str, *args: Any) -> Detail | None:
    """The product that the statement finds as `item`, beside PRIVATE."""
    row = await db.fetchrow(statement, *args)
    if row is None:
        return None
    certificate = [row["certificate"]] if row["certificate"] else []
    return Detail(row["item"], [*(row["pictures"] or ()), *certificate])


async def known_media(db: Reader, media_ids: Sequence[UUID]) -> dict[UUID, Medium]:
    """The media that the projection knows, by id."""
    return {row["media_id"]: Medium(**dict(row)) for row in await db.fetch(KNOWN, list(media_ids))}
