"""Who did what to which thing: rows that nobody can change, written in the transaction of the deed (spec 16.1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from chassis.ids import new_id
from chassis.jsontext import encode_json
from kernel.scope import Actor

if TYPE_CHECKING:
    from chassis.db import Database


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One deed. `payload` tells before and after, and never a secret."""

    actor: Actor
    request_id: str
    action: str
    target_type: str
    target_id: UUID | None
    payload: Mapping[str, Any]
    id: UUID = field(default_factory=new_id)


_WRITE = """
insert into audit_logs (id, actor_user_id, actor_store_id, actor_role, action, target_type, target_id, payload,
                        request_id, outcome)
select id, actor_user_id, actor_store_id, actor_role, action, target_type, target_id, payload::jsonb, request_id, 'done'
from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::text[], $9::text[])
    with ordinality as e (id, actor_user_id, actor_store_id, actor_role, action, target_type, target_id, payload,
                          request_id, place)
order by place
"""

# One a minute per actor and action is enough to see an attack, and too little to fill the table with.
_WRITE_DENIED = """
insert into audit_logs (id, actor_user_id, actor_store_id, actor_role, action, target_type, target_id, payload,
                        request_id, outcome)
select $1, $2, $3, $4, $5, $6, $7, $8, $9, 'denied'
where not exists (
    select from audit_logs where actor_user_id is not distinct from $2 and action = $5 and outcome = 'denied'
    and created_at > clock_now() - interval '1 minute')
"""


async def write_audit(connection: asyncpg.Connection, entries: Sequence[AuditEntry]) -> None:
    """Write the deeds of one transaction in the order they were done."""
    await connection.fetch(
        _WRITE,
        [entry.id for entry in entries],
        [entry.actor.user_id for entry in entries],
        [entry.actor.store_id for entry in entries],
        [entry.actor.role for entry in entries],
        [entry.action for entry in entries],
        [entry.target_type for entry in entries],
        [entry.target_id for entry in entries],
        [encode_json(entry.payload) for entry in entries],
        [entry.request_id for entry in entries],
    )


async def record_denied(db: "Database", entry: AuditEntry) -> None:
    """Leave a trace of a refused admin, agent or finance action, in a transaction of its own."""
    actor = entry.actor
    async with db.transaction(actor=actor, request_id=entry.request_id) as tx:
        await tx.run(
            _WRITE_DENIED,
            entry.id,
            actor.user_id,
            actor.store_id,
            actor.role,
            entry.action,
            entry.target_type,
            entry.target_id,
            dict(entry.payload),
            entry.request_id,
        )
