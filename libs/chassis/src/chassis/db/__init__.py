"""PostgreSQL: one pool, readers, transactions that carry their events and audit rows, and the tables of the floor."""

from chassis.db.database import Database, Record
from chassis.db.errors import CommitUnknown
from chassis.db.floor import service_metadata
from chassis.db.statements import Statement
from chassis.db.transaction import Reader, Tx

__all__ = ["CommitUnknown", "Database", "Reader", "Record", "Statement", "Tx", "service_metadata"]
