"""What a token still opens."""

import asyncio
from uuid import uuid4

import httpx
from operations import all_operations

PROMISED_SECONDS = 1.0
"""As long as a token may outlive the end of its session, at any door (P23)."""

SWEPT = [one for one in all_operations() if not (one.is_anonymous or one.is_internal)]


async def still_open_after_a_second(http: httpx.AsyncClient, token: str) -> list[str]:
    """Operations that answer anything but `session_revoked`, one second from now."""
    await asyncio.sleep(PROMISED_SECONDS)
    headers = {"Authorization": f"Bearer {token}"}
    answers = [await http.request(one.method, one.at(str(uuid4())), headers=headers) for one in SWEPT]
    return [
        f"{one.name}: {answer.status_code}"
        for one, answer in zip(SWEPT, answers, strict=True)
        if (answer.status_code, answer.json()["error"]["reason"]) != (401, "session_revoked")
    ]
