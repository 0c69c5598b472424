"""What the wire sees."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from chassis.web import CLEAN, Body, page_of

TITLE_MAX = 200


class EntryAdd(Body):
    title: Annotated[str, Field(min_length=1, max_length=TITLE_MAX), CLEAN]


class Entry(BaseModel):
    id: UUID
    title: str
    created_at: datetime


EntryList = page_of("items", Entry)
