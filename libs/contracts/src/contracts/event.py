"""What every event is."""

from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class Wire(BaseModel):
    """A closed, immutable model: the writer may not add fields that the contract does not name.

    A reader of another service ignores fields it does not know: it parses with `read`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def read(cls, data: Any) -> "Any":
        return cls.model_validate(data, extra="ignore")


class Event(Wire):
    """A past-tense fact about one aggregate.

    Declared as `class OrderCreated(Event, topic="orders.order_created.v1", aggregate="vendor_order", key="order_id")`:
    `topic` is `<service>.<name>.v<n>`, `key` the field that holds the aggregate's id.
    """

    topic: ClassVar[str]
    aggregate: ClassVar[str]
    key: ClassVar[str]

    def __init_subclass__(
        cls, *, topic: str | None = None, aggregate: str | None = None, key: str | None = None, **options: Any
    ) -> None:
        super().__init_subclass__(**options)
        if topic and aggregate and key:
            cls.topic, cls.aggregate, cls.key = topic, aggregate, key

    @classmethod
    def source(cls) -> str:
        """The service that says it."""
        return cls.topic.split(".", 1)[0]

    @classmethod
    def routing_key(cls) -> str:
        """`<service>.<aggregate>.<name>.v1`."""
        service, rest = cls.topic.split(".", 1)
        return f"{service}.{cls.aggregate}.{rest}"

    @property
    def aggregate_id(self) -> UUID:
        value = getattr(self, self.key)
        assert isinstance(value, UUID)  # noqa: S101  a declaration error, found by the first test that emits
        return value


class Snapshot(Event):
    """The whole public state of an aggregate; `version` only grows, and `deleted` leaves a tombstone."""

    version: int
    deleted: bool = False
