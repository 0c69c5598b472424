"""What newservice says."""

from datetime import datetime
from uuid import UUID

from contracts.event import Event


class EntryAdded(Event, topic="newservice.entry_added.v1", aggregate="entry", key="entry_id"):
    entry_id: UUID
    store_id: UUID
    title: str
    added_at: datetime
