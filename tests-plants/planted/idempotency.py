"""Idempotency that looks first and writes later, keeps what is no answer, or finishes what it has lost."""

import asyncio
from typing import Any
from uuid import uuid4

from chassis import idempotency
from planted.registry import plant, replaced


@plant("GET-then-SET idempotency", evidence=r"assert 20 == 1")
def get_then_set() -> None:
    answers: dict[idempotency.Scope, idempotency.Stored] = {}

    async def take(_db: Any, scope: idempotency.Scope, _keep: Any) -> Any:
        await asyncio.sleep(0)
        return answers.get(scope) or idempotency.Claim(scope, uuid4(), uuid4())

    async def finish(_reader: Any, claim: idempotency.Claim, answer: Any, status: int) -> None:
        answers[claim.scope] = idempotency.Stored(answer.status or status, answer.content_type, answer.body)

    idempotency.take = take
    idempotency.finish = finish


@plant("5xx cached", evidence="idempotency-replayed")
def keep_everything() -> None:
    idempotency.is_storable = lambda _refusal: True


@plant("a lost claim is finished", evidence="assert 2 == 1")
def finish_lost_claims() -> None:
    anyway = replaced(
        idempotency._FINISH,
        "where id = $1 and claim_token = $2 and state = 'in_progress'",
        "where id = $1 and $2::uuid is not null",
    )
    idempotency._FINISH = anyway  # type: ignore[misc]
