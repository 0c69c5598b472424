"""Licences that count for more, or for longer, than they should."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

from planted.registry import plant


@plant("a review of what was looked at before its lock", evidence=r"\[200, 200\] == \[200, 409\]")
def unlocked_review() -> None:
    from identity.repo import licences, stores

    async def looked_at(tx: Any, licence_id: UUID) -> Any:
        row = await tx.fetchrow(f"select {licences._COLUMNS} from licenses where id = $1", licence_id)
        return licences._licence(row)

    licences.locked = looked_at
    stores.locked_even_deleted = stores.by_id


@plant("licences that end with the day in London", evidence="in London it is over")
def days_in_london() -> None:
    from identity import jobs

    jobs.business_day = lambda at: at.date()


@plant("a none that is true for a moment", evidence="KeyError: .error.")
def forgotten_question() -> None:
    from identity.repo import media

    async def nothing(*_given: Any) -> None:
        return

    media.doubt = nothing


@plant("licences that lift a suspension", evidence="'verified'> == 'suspended'")
def lifted_suspension() -> None:
    from identity.usecases import licences

    licences.Kyc = SimpleNamespace(SUSPENDED=None)
