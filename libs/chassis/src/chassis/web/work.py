"""The transaction of a door: the effect, its events, its audit rows and its stored answer, committed together."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, NoReturn

from chassis import idempotency
from chassis.answer import Answer, Data, refused, reply
from chassis.db import Tx
from kernel.refusal import Refusal

if TYPE_CHECKING:
    from chassis.web.call import Call


class RefusedWithEffect(Exception):  # noqa: N818  carries a refusal through the block, and is no fault
    """Leaves the block of a `Work` whose effect is to be committed although the client is refused."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class Work(Tx):
    """A transaction opened by a door. Its answer is what a repeat of the request will get."""

    _call: "Call"
    _answer: Answer | None = None

    def bind(self, call: "Call", *, finishes: bool) -> None:
        """Belong to a request; with `finishes` the answer is stored when the block ends."""
        self._call = call
        if finishes:
            self.at_end(self._finish)

    def answer(
        self,
        data: Data,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        unstored: AbstractSet[str] = frozenset(),
    ) -> Answer:
        """The answer of this request. Fields named in `unstored` are sent once and never kept."""
        self._answer = reply(data, status=status, headers=headers, unstored=unstored)
        return self._answer

    def answer_with(self, answer: Answer) -> Answer:
        """As `answer`, for one that was made elsewhere (`no_content()`, `reply_json(...)`)."""
        self._answer = answer
        return answer

    def refuse(self, refusal: Refusal) -> NoReturn:
        """Refuse the client, but commit what was done. Leaves the block at once; the refusal is the stored answer."""
        if not idempotency.is_storable(refusal):
            raise ValueError(f"a refusal that may be tried again cannot be stored: {refusal}")
        self._answer = refused(refusal, self._call.request_id)
        raise RefusedWithEffect(refusal)

    async def _finish(self) -> None:
        if self._answer is None:
            raise RuntimeError("a keyed transaction ended without tx.answer: a repeat could not be answered")
        if self._call.claim is not None:
            await idempotency.finish(self, self._call.claim, self._answer, self._call.status)
