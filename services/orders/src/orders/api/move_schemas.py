"""What the wire sees of moves: what is asked of an order, and what its history tells."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from chassis.web import CLEAN, Body, Text
from orders.api.schemas import Shape
from orders.domain.decision import Decision
from orders.domain.states import ActorKind, Deed, OrderStatus


class DecisionWord(StrEnum):
    """A decision as clients may spell it."""

    ACCEPT = "accept"
    ACCEPTED = "accepted"
    REJECT = "reject"
    REJECTED = "rejected"

    @property
    def decision(self) -> Decision:
        return Decision(self.value.removesuffix("ed"))


class DecisionBody(Body):
    decision: DecisionWord
    notes: Text | None = None


class LineDecisionWord(StrEnum):
    """A decision on a line as clients may spell it; fulfill has always meant accept."""

    ACCEPT = "accept"
    ACCEPTED = "accepted"
    FULFILL = "fulfill"
    REJECT = "reject"
    REJECTED = "rejected"

    @property
    def decision(self) -> Decision:
        return Decision.REJECT if self in {self.REJECT, self.REJECTED} else Decision.ACCEPT


class LineDecisionBody(Body):
    line_item_id: UUID
    decision: LineDecisionWord
    notes: Text | None = None


class CancelBody(Body):
    reason: Text | None = None


class AdminCancelBody(Body):
    reason: Annotated[str, Field(min_length=1, max_length=500), CLEAN]


class Nudged(Shape):
    nudged: bool


class TimelineActor(Shape):
    """`name` is there for the own side only."""

    kind: ActorKind
    name: str | None


class TimelineItem(Shape):
    """`event_id` names the event that told it; `from` is null for a new order."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    at: datetime
    event_id: UUID
    what: Deed
    before: OrderStatus | None = Field(alias="from")
    after: OrderStatus = Field(alias="to")
    line_item_id: UUID | None
    actor: TimelineActor


class Timeline(Shape):
    items: list[TimelineItem]
