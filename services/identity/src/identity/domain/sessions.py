"""Whether a session is alive, and what it may do.

Every instant here is the database's: `now` is read together with the row, so the clocks of processes do not matter.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from contracts.identity import SessionState
from identity.domain.standing import effective_kyc
from identity.domain.tokens import access_token_id
from kernel.scope import Kyc, Role, StoreType, SystemRole

IDLE = timedelta(days=30)
ABSOLUTE = timedelta(days=90)
REUSE_GRACE = timedelta(seconds=10)


class Family(BaseModel):
    """One session with the present standing of its user and store. Its id is the sid of its access tokens."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    user_id: UUID
    generation: int
    membership_version: int
    active_store_id: UUID | None
    store_type: StoreType | None
    role: Role | None
    system_role: SystemRole | None
    must_change_password: bool
    created_at: datetime
    rotated_at: datetime
    revoked_at: datetime | None
    user_is_active: bool
    kyc_status: Kyc | None
    kyc_override: Kyc | None
    now: datetime

    @property
    def is_over(self) -> bool:
        """Revoked, idle for 30 days, 90 days old, or of a user who was deactivated."""
        outlived = self.now - self.rotated_at >= IDLE or self.now - self.created_at >= ABSOLUTE
        return self.revoked_at is not None or outlived or not self.user_is_active

    def as_state(self) -> SessionState:
        """What the gateway may believe about this session."""
        standing = effective_kyc(self.kyc_status, self.kyc_override) if self.kyc_status else None
        return SessionState(
            sid=self.id,
            user_id=self.user_id,
            jti=access_token_id(self.id, self.generation),
            store_id=self.active_store_id,
            store_type=self.store_type,
            kyc_status=standing,
            role=self.role,
            system_role=self.system_role,
            must_change_password=self.must_change_password,
            membership_version=self.membership_version,
            generation=self.generation,
            revoked=self.is_over,
        )


@dataclass(slots=True)
class Change:
    """A change of sessions under way.

    `marked` are those whose hot copies are known to say `ask`; `touched` grows with every session that the transaction
    changes, and all of them are shown anew afterwards: `shown` are those for which that worked.
    """

    nonce: str
    marked: frozenset[UUID] = frozenset()
    touched: set[UUID] = field(default_factory=set)
    shown: frozenset[UUID] = frozenset()

    def touch(self, sids: Iterable[UUID]) -> set[UUID]:
        """Adds sessions; answers those that were not marked, for which something must be left in the transaction."""
        added = set(sids)
        self.touched |= added
        return added - self.marked

    @property
    def is_certain(self) -> bool:
        """Whether no gateway can still take an older copy for true."""
        return self.touched <= self.marked | self.shown


class RefreshToken(BaseModel):
    model_config = ConfigDict(frozen=True)

    hash: bytes
    family: UUID
    generation: int
    used_at: datetime | None
    used_by: str | None
    successor: bytes | None


class Reuse(StrEnum):
    """What a refresh token means that was used before."""

    REPEAT = "repeat"
    OVERTAKEN = "overtaken"
    THEFT = "theft"


def judge_reuse(token: RefreshToken, family: Family, client: str) -> Reuse:
    """A repeat of the latest exchange by the same client within 10 s means that an answer got lost: it is given again.

    When that exchange was a switch of stores there is no successor to give again (`overtaken`): the caller is refused
    and the session lives. Everything else means that two parties hold the token.
    """
    if token.used_at is None or token.used_by != client or token.generation != family.generation - 1:
        return Reuse.THEFT
    if family.now - token.used_at > REUSE_GRACE:
        return Reuse.THEFT
    return Reuse.OVERTAKEN if token.successor is None else Reuse.REPEAT
