"""The table of contents of newservice."""

from chassis.manifest import Service
from contracts.newservice import EntryAdded
from newservice.api import entries
from newservice.repo.tables import METADATA
from newservice.settings import Settings

SERVICE = Service(
    name="newservice",
    settings=Settings,
    metadata=METADATA,
    routers=(entries.router,),
    emits={EntryAdded},
)
