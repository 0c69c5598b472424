"""State machines as tables: a pair that is not in the table is refused."""

from collections.abc import Mapping
from typing import Generic, TypeVar

from kernel.refusal import StateConflict

State = TypeVar("State", bound=str)


class Machine(Generic[State]):
    """Transitions by (state, action). The same table serves code, reference and property tests."""

    def __init__(self, table: Mapping[tuple[State, str], State]) -> None:
        self.table = dict(table)

    def after(self, state: State, action: str) -> State:
        """The state that follows; raises `StateConflict` with details {from, action} when the pair is not listed."""
        try:
            return self.table[state, action]
        except KeyError:
            raise StateConflict.transition(state, action) from None

    def allows(self, state: State, action: str) -> bool:
        return (state, action) in self.table
